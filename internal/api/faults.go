package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/problem"
)

// maxFaults bounds the list of a reply: a body of nothing but faults must not
// be answered with a longer one.
const maxFaults = 100

func invalid(faults []problem.Fault) *Problem {
	p := refuse(http.StatusUnprocessableEntity, "request_invalid", "the request is not valid")
	p.Errors = faults
	return p
}

func faultsOf(err huma.StatusError) []problem.Fault {
	model, ok := err.(*huma.ErrorModel)
	if !ok {
		return nil
	}
	errs := make([]error, len(model.Errors))
	for i, detail := range model.Errors {
		errs[i] = detail
	}
	return faults(errs)
}

// faults turns what huma found into faults in order of their path, without the
// values that were rejected.
func faults(errs []error) []problem.Fault {
	list := make([]problem.Fault, 0, len(errs))
	for _, err := range errs {
		detailer, ok := err.(huma.ErrorDetailer)
		if !ok {
			list = append(list, problem.Fault{Message: "is not valid"})
			continue
		}
		detail := detailer.ErrorDetail()
		list = append(list, fault(detail.Location, detail.Message))
	}
	slices.SortStableFunc(list, func(x, y problem.Fault) int { return strings.Compare(x.Path, y.Path) })
	return list
}

func fault(location, message string) problem.Fault {
	for _, place := range []string{"body", "query", "path", "header"} {
		if rest, ok := strings.CutPrefix(location, place); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			location = strings.TrimPrefix(rest, ".")
			break
		}
	}
	if name, ok := strings.CutPrefix(message, "expected required property "); ok {
		name = strings.TrimSuffix(name, " to be present")
		location, message = strings.TrimPrefix(location+"."+name, "."), "is required"
	}
	// Behind the colon of these, huma quotes the parser, which quotes the value.
	if strings.HasPrefix(message, "expected string to be ") || strings.HasPrefix(message, "expected duration") || strings.HasPrefix(message, "invalid value") {
		message, _, _ = strings.Cut(message, ": ")
	}
	return problem.Fault{Path: problem.Below("", location), Message: message}
}
