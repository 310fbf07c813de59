// Package openapi suggests queries from OpenAPI documents, versions 3.0 and 3.1,
// in JSON or YAML.
//
// A document is somebody else's text. Its size, its depth, the number of its
// parts and the work of reading it are bounded; references lead to places in the
// document and nowhere else (T76); what it says ends up in names, descriptions
// and templates that are checked like those that a person writes.
package openapi

import (
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// Read makes suggestions for the connector "rest". A document that is too large is
// TooLarge, one that is not OpenAPI Invalid.
func Read(text []byte) (datasource.Import, error) {
	root, err := parse(text)
	if err != nil {
		return datasource.Import{}, err
	}
	d := &document{root: root, work: maxWork}
	version := str(root["openapi"])
	if !strings.HasPrefix(version, "3.0") && !strings.HasPrefix(version, "3.1") {
		return datasource.Import{}, problem.Of(invalid("is not OpenAPI 3.0 or 3.1")).Fix("convert an older description to OpenAPI 3 first")
	}
	r := &reader{document: d, names: names{}}
	r.out.Title = line(str(object(root["info"])["title"]), maxName)
	r.out.BaseURL = server(list(root["servers"]))
	r.paths(object(root["paths"]))
	if d.work <= 0 {
		return datasource.Import{}, invalid("refers to itself too often to be read")
	}
	return r.out, nil
}

func invalid(message string) error {
	var faults problem.Faults
	faults.Add("document", message)
	return faults.Err("document_invalid", "the document cannot be imported")
}

// maxURL is the length of a server's URL in bytes.
const maxURL = 1000

// server is the URL of the first server, with the defaults of its variables.
func server(servers []any) string {
	if len(servers) == 0 {
		return ""
	}
	first := object(servers[0])
	u, err := httpapi.ParseURL(filled(str(first["url"]), object(first["variables"])))
	if err != nil {
		return ""
	}
	return u.String()
}

// filled puts the defaults of variables into a URL, once: what they say is not
// looked into. It is "" when it becomes too long.
func filled(text string, variables map[string]any) string {
	var out strings.Builder
	for rest := text; rest != ""; {
		literal, behind, _ := strings.Cut(rest, "{")
		name, after, closed := strings.Cut(behind, "}")
		variable, known := variables[name]
		if !closed || !known {
			literal, after = rest[:len(rest)-len(behind)], behind
			variable = nil
		}
		value := str(object(variable)["default"])
		if out.Len()+len(literal)+len(value) > maxURL {
			return ""
		}
		out.WriteString(literal + value)
		rest = after
	}
	return out.String()
}
