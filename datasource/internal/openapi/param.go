package openapi

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/datasource"
)

const (
	maxParamName   = 60
	maxDescription = 300
	maxEnum        = 200
)

// params collects the parameters of one query.
type params struct {
	*document
	list  []datasource.Param
	names names
}

// add declares a parameter for a value of the schema and returns its placeholder.
// Of the rules of the schema it keeps those that can be kept: the API has them all.
func (p *params) add(name, description string, v any, required bool) (placeholder string, err error) {
	s, err := p.schema(v)
	if err != nil {
		return "", err
	}
	param := datasource.Param{Name: p.unique(name), Type: datasource.ParamJSON, Description: line(description, maxDescription), Required: required}
	if param.Description == "" {
		param.Description = line(str(s["description"]), maxDescription)
	}
	rules := s
	if kind(s) == "array" {
		if rules, err = p.schema(s["items"]); err != nil {
			return "", err
		}
		if element := paramType(rules); element != datasource.ParamJSON {
			param.Type = element.List()
		}
	} else {
		param.Type = paramType(s)
	}
	p.list = append(p.list, p.restricted(param, s, rules))
	return "{{ " + param.Name + " }}", nil
}

// text declares a parameter that the API reads in a way of its own.
func (p *params) text(name, description string, required bool) string {
	param := datasource.Param{Name: p.unique(name), Type: datasource.ParamString, Description: line(description, maxDescription), Required: required}
	p.list = append(p.list, param)
	return "{{ " + param.Name + " }}"
}

// drop takes the parameters back that were declared after the first n.
func (p *params) drop(n int) {
	for _, param := range p.list[n:] {
		delete(p.names, param.Name)
	}
	p.list = p.list[:n]
}

// unique makes a name of letters, digits and "_" that is not taken.
func (p *params) unique(name string) string {
	base := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '_'
	}, name[:min(len(name), maxParamName*utf8.UTFMax)])
	base = base[:min(len(base), maxParamName)]
	if base == "" || '0' <= base[0] && base[0] <= '9' {
		base = "_" + base[:min(len(base), maxParamName-1)]
	}
	return p.names.take(base, "_")
}

// kind is the type of a schema, "" when it has none or several. Version 3.1 writes
// "may be null" as one of several types.
func kind(s map[string]any) string {
	if len(list(s["oneOf"])) > 0 || len(list(s["anyOf"])) > 0 {
		return ""
	}
	types := slices.DeleteFunc(slices.Clone(list(s["type"])), func(t any) bool { return t == "null" })
	switch {
	case len(types) == 1:
		return str(types[0])
	case len(types) > 1:
		return ""
	case s["type"] == nil && s["properties"] != nil:
		return "object"
	}
	return str(s["type"])
}

func paramType(s map[string]any) datasource.ParamType {
	switch kind(s) {
	case "string":
		switch str(s["format"]) {
		case "date":
			return datasource.ParamDate
		case "date-time":
			return datasource.ParamTimestamp
		case "uuid":
			return datasource.ParamUUID
		}
		return datasource.ParamString
	case "integer":
		return datasource.ParamInteger
	case "number":
		return datasource.ParamNumber
	case "boolean":
		return datasource.ParamBoolean
	}
	return datasource.ParamJSON
}

// restricted adds the rules of a schema, as long as the declaration stays valid.
func (p *params) restricted(param datasource.Param, whole, element map[string]any) datasource.Param {
	keep := func(change func(*datasource.Param)) {
		next := param
		change(&next)
		if _, err := datasource.NewRules([]datasource.Param{next}, []string{next.Name}); err == nil {
			param = next
		}
	}
	keep(func(p *datasource.Param) {
		if len(list(element["enum"])) > maxEnum {
			return
		}
		p.Enum = slices.DeleteFunc(slices.Clone(list(element["enum"])), func(v any) bool { return v == nil })
	})
	keep(func(p *datasource.Param) { p.Min = float(element["minimum"]) })
	keep(func(p *datasource.Param) { p.Max = float(element["maximum"]) })
	keep(func(p *datasource.Param) {
		if n := float(element["maxLength"]); n != nil && *n > 0 && *n < 1<<30 {
			p.MaxLength = int(*n)
		}
	})
	if pattern := str(element["pattern"]); p.patterns.keep(pattern) {
		keep(func(p *datasource.Param) { p.Pattern = pattern })
	}
	if whole["default"] != nil {
		keep(func(p *datasource.Param) { p.Default = whole["default"] })
	}
	return param
}

func float(v any) *float64 {
	n, ok := v.(json.Number)
	if !ok {
		return nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil
	}
	return &f
}
