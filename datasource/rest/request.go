package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// request fills the holes of an operation. Values that have no place where they
// stand are one Invalid error.
func (c *conn) request(ctx context.Context, op *operation, params map[string]any) (*http.Request, error) {
	var faults problem.Faults
	values := func(name string) any { return params[name] }
	target := *c.base
	target.RawPath = c.path(op, values, &faults)
	target.Path, _ = url.PathUnescape(target.RawPath)
	target.RawQuery = query(op, values, &faults).Encode()
	header := c.header(op, values, &faults)
	var body io.Reader
	if op.body != nil {
		b, err := json.Marshal(op.body.Expand(values, plain))
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	if err := faults.Err("params_invalid", "the parameters are not valid"); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, op.method, target.String(), body)
	if err != nil {
		return nil, errors.New("build the request")
	}
	r.Header = header
	c.authenticate(r)
	return r, nil
}

// path writes the base path and the operation's. A value stays inside of its
// segment: "/" is escaped, and it cannot make a segment empty, "." or "..".
func (c *conn) path(op *operation, values func(string) any, faults *problem.Faults) string {
	filled, _ := op.path.Expand(values, nil, func(name string, v any) (string, error) {
		s := plain(v)
		faults.Check(s != "" && !isList(v), "params."+name, "must be one value that is not empty: it is a part of the path")
		return url.PathEscape(s), nil
	})
	filled = strings.TrimPrefix(filled, "/")
	faults.Check(plainSegments(filled), "path", "would be another path with these parameters")
	base := strings.TrimSuffix(c.base.EscapedPath(), "/")
	if filled == "" && base != "" {
		return base
	}
	return base + "/" + filled
}

func query(op *operation, values func(string) any, faults *problem.Faults) url.Values {
	q := url.Values{}
	for _, f := range op.query {
		if name := f.value.Lone(); name != "" {
			switch v := values(name).(type) {
			case nil: // left out
			case []any:
				for _, element := range v {
					q.Add(f.name, plain(element))
				}
			default:
				q.Add(f.name, plain(v))
			}
			continue
		}
		q.Add(f.name, oneValue(f, values, faults))
	}
	return q
}

func (c *conn) header(op *operation, values func(string) any, faults *problem.Faults) http.Header {
	h := http.Header{"Accept": {"application/json"}, "User-Agent": {"jetadmin"}}
	for name, value := range c.settings.Map("headers") {
		h.Set(name, value)
	}
	for _, f := range op.headers {
		if name := f.value.Lone(); name != "" && values(name) == nil {
			continue
		}
		value := oneValue(f, values, faults)
		h.Set(f.name, value)
	}
	return h
}

// oneValue fills a text that stays on one line.
func oneValue(f field, values func(string) any, faults *problem.Faults) string {
	s, _ := f.value.Expand(values, nil, func(name string, v any) (string, error) {
		s := plain(v)
		line := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
		faults.Check(line && !isList(v), "params."+name, "must be one value without line breaks and control characters here")
		return s, nil
	})
	return s
}

func (c *conn) authenticate(r *http.Request) {
	s := c.settings
	switch s.String("auth") {
	case authBasic:
		r.SetBasicAuth(s.String("username"), s.Secret("password").Reveal())
	case authBearer:
		r.Header.Set("Authorization", "Bearer "+s.Secret("token").Reveal())
	case authAPIKey:
		name, key := s.String("apiKeyName"), s.Secret("apiKey").Reveal()
		if s.String("apiKeyIn") == "header" {
			r.Header.Set(name, key)
			return
		}
		q := r.URL.Query()
		q.Set(name, key)
		r.URL.RawQuery = q.Encode()
	}
}

func isList(v any) bool {
	_, list := v.([]any)
	return list
}

// plain writes a value as text.
func plain(v any) string { return datasource.ParamText(v) }
