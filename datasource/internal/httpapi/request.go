package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// Call is one request, ready to be sent as often as it takes.
type Call struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte // nil = none
	Writes bool   // to repeat it would change something twice
}

func (c *Call) mayWrite() bool { return c.Method != http.MethodGet && c.Method != http.MethodHead }

// Fill makes the request of a template. Values that have no place where they
// stand are one Invalid error, with paths below at: "params", say.
func (t *Template) Fill(base *url.URL, values template.Values, at string) (*Call, error) {
	f := filler{values: values, at: at}
	target := *base
	target.RawPath = f.path(base, t.path)
	target.Path, _ = url.PathUnescape(target.RawPath)
	target.RawQuery = f.fields(t.query, true).Encode()
	call := &Call{Method: t.method, URL: &target, Header: f.header(t.headers)}
	switch {
	case t.body != nil:
		body := t.body.Expand(values, datasource.ParamText)
		if t.omitNull {
			if body = WithoutNull(body); body == nil {
				break
			}
		}
		var err error
		if call.Body, err = json.Marshal(body); err != nil {
			return nil, err
		}
		call.contentType("application/json")
	case t.hasForm:
		call.Body = []byte(f.fields(t.form, false).Encode())
		call.contentType("application/x-www-form-urlencoded")
	}
	return call, f.faults.Err("params_invalid", "the parameters are not valid")
}

// contentType says what the body is, unless the request does.
func (c *Call) contentType(name string) {
	if c.Header.Get("Content-Type") == "" {
		c.Header.Set("Content-Type", name)
	}
}

// filler puts values into one request and notes those that do not fit.
type filler struct {
	values template.Values
	at     string
	faults problem.Faults
}

func (f *filler) check(ok bool, name, message string) { f.faults.Check(ok, f.at+"."+name, message) }

// path writes the base path and the request's. A value stays inside of its
// segment: "/" is escaped, and it cannot make a segment empty, "." or "..".
func (f *filler) path(base *url.URL, path template.Text) string {
	filled, _ := path.Expand(f.values, nil, func(name string, v any) (string, error) {
		s := datasource.ParamText(v)
		f.check(s != "" && !isList(v), name, "must be one value that is not empty: it is a part of the path")
		return url.PathEscape(s), nil
	})
	filled = strings.TrimPrefix(filled, "/")
	f.faults.Check(plainSegments(filled), "path", "would be another path with these parameters")
	begin := strings.TrimSuffix(base.EscapedPath(), "/")
	if filled == "" && begin != "" {
		return begin
	}
	return begin + "/" + filled
}

// fields writes a query or a form. A list repeats its name; null leaves it out, an
// empty list does not: without its filter a list of what the caller may see would be
// one of everything (T89). Inside of a longer text, only a form takes line breaks.
func (f *filler) fields(fields []field, oneLine bool) url.Values {
	q := url.Values{}
	for _, field := range fields {
		name := field.value.Lone()
		if name == "" {
			q.Add(field.name, f.text(field, oneLine))
			continue
		}
		v := f.values(name)
		switch list, isList := v.([]any); {
		case v == nil: // left out
		case spreads(field.name):
			f.check(spread(q, field.name, v, fields), name, "must be an object or a list, not empty and with nothing empty in it, whose keys hold no brackets and are none that the request has itself, 8 levels and 1000 values at most")
		case isList:
			f.check(len(list) > 0, name, "must not be an empty list here")
			for _, element := range list {
				q.Add(field.name, datasource.ParamText(element))
			}
		default:
			q.Add(field.name, datasource.ParamText(v))
		}
	}
	return q
}

func (f *filler) text(field field, oneLine bool) string {
	s, _ := field.value.Expand(f.values, nil, func(name string, v any) (string, error) {
		s := datasource.ParamText(v)
		line := !oneLine || !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
		f.check(line && !isList(v), name, "must be one value without line breaks and control characters here")
		return s, nil
	})
	return s
}

func (f *filler) header(fields []field) http.Header {
	h := http.Header{}
	for _, field := range fields {
		if name := field.value.Lone(); name == "" || f.values(name) != nil {
			h.Set(field.name, f.text(field, true))
		}
	}
	return h
}

func isList(v any) bool {
	_, list := v.([]any)
	return list
}

// WithoutNull takes the members out of objects that are null, and with them the
// objects and lists that had nothing else. The document stays as it is: values of
// parameters in it are shared.
func WithoutNull(document any) any {
	out, _ := pruned(document)
	return out
}

// pruned reports whether anything is left of v.
func pruned(v any) (out any, left bool) {
	switch v := v.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for key, member := range v {
			if member, left := pruned(member); member != nil && left {
				kept[key] = member
			}
		}
		return kept, len(kept) > 0 || len(v) == 0
	case []any:
		kept := make([]any, 0, len(v))
		for _, element := range v {
			if element, left := pruned(element); left {
				kept = append(kept, element)
			}
		}
		return kept, len(kept) > 0 || len(v) == 0
	}
	return v, true
}
