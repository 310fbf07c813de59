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
	r := &reader{document: d, names: map[string]bool{}}
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

// server is the URL of the first server, with the defaults of its variables.
func server(servers []any) string {
	if len(servers) == 0 {
		return ""
	}
	first := object(servers[0])
	text := str(first["url"])
	for name, variable := range object(first["variables"]) {
		text = strings.ReplaceAll(text, "{"+name+"}", str(object(variable)["default"]))
	}
	u, err := httpapi.ParseURL(text)
	if err != nil || len(text) > 1000 {
		return ""
	}
	return u.String()
}
