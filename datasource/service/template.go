package service

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	texts "github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// hostLike is a host name, or a part of one, with a port.
var hostLike = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// template is a text whose placeholders are fields of a datasource.
type template struct{ texts.Text }

func newTemplate(text, path string, fields []datasource.Field, faults *problem.Faults) template {
	t, err := texts.ParseText(text, path)
	faults.Merge("", err)
	for _, name := range t.Placeholders() {
		f, ok := fieldOf(fields, name)
		faults.Check(ok && !f.Secret && f.Type != datasource.FieldMap, path, "names "+name+", which is not a field that can stand there")
	}
	return template{t}
}

// newBase is a template whose fields stand in the host: what they say decides
// where the secrets are sent.
func newBase(text string, fields []datasource.Field, faults *problem.Faults) template {
	t := newTemplate(text, "baseUrl", fields, faults)
	for _, name := range t.Placeholders() {
		f, _ := fieldOf(fields, name)
		faults.Check(f.Target && (f.Required || f.Default != nil), "baseUrl", "names "+name+", which must be a target that is required or has a default")
	}
	sample, _ := t.Expand(func(string) any { return nil }, nil, func(string, any) (string, error) { return "x", nil })
	_, err := httpapi.ParseURL(sample)
	faults.Check(err == nil && onlyInHost(text), "baseUrl", "must be an http or https URL with placeholders in its host only")
	return t
}

func onlyInHost(text string) bool {
	_, behind, _ := strings.Cut(text, "://")
	_, path, _ := strings.Cut(behind, "/")
	before, _, _ := strings.Cut(text, "://")
	return !strings.Contains(path+before, "{{")
}

func (t template) fill(s datasource.Settings) string {
	text, _ := t.Expand(func(name string) any { return fieldText(s, name) }, nil, func(_ string, v any) (string, error) { return v.(string), nil })
	return text
}

func fieldOf(fields []datasource.Field, name string) (datasource.Field, bool) {
	i := slices.IndexFunc(fields, func(f datasource.Field) bool { return f.Name == name })
	if i < 0 {
		return datasource.Field{}, false
	}
	return fields[i], true
}

// fieldText is the value of a field as text, "" when it has none.
func fieldText(s datasource.Settings, name string) string {
	return datasource.ParamText(s.Values[name])
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// parseTokenURL reads a constant of a spec.
func parseTokenURL(text string, faults *problem.Faults) *url.URL {
	u, err := httpapi.ParseTokenURL(text)
	faults.Check(err == nil, "auth.tokenUrl", "must be an http or https URL")
	return u
}
