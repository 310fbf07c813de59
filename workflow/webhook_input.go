package workflow

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/problem"
)

// Delivery is what was sent to a webhook.
type Delivery struct {
	Method string
	Header http.Header
	Query  url.Values
	Body   []byte // as it was sent, at most MaxWebhookBody
}

// input is a delivery as the input of a run: body, encoding, headers, query and
// method.
func (d Delivery) input(set webhookSettings) (map[string]any, error) {
	body, encoding, err := d.content()
	if err != nil {
		return nil, err
	}
	headers := map[string]any{}
	for _, name := range set.Headers {
		if values := d.Header.Values(name); len(values) > 0 {
			headers[strings.ToLower(name)] = valid(strings.Join(values, ", "))
		}
	}
	return map[string]any{
		"body": body, "encoding": encoding, "headers": headers, "query": flat(d.Query), "method": d.Method,
	}, nil
}

// content is the body as its media type says: JSON, the fields of a form, text,
// or bytes in base64.
func (d Delivery) content() (body any, encoding string, err error) {
	if len(d.Body) == 0 {
		return nil, "none", nil
	}
	media, _, err := mime.ParseMediaType(d.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		body, err := readJSON(d.Body)
		return body, "json", err
	case media == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(d.Body))
		if err != nil {
			return nil, "", errBody("is not a form")
		}
		return flat(values), "form", nil
	case utf8.Valid(d.Body):
		return string(d.Body), "text", nil
	}
	return base64.StdEncoding.EncodeToString(d.Body), "base64", nil
}

func readJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, errBody("is not JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errBody("is more than one JSON value")
	}
	return v, nil
}

func errBody(what string) error {
	var f problem.Faults
	f.Add("body", what)
	return f.Err("delivery_invalid", "the delivery cannot be read")
}

// flat makes a list of what is given more than once, and a text of the rest.
func flat(values url.Values) map[string]any {
	m := make(map[string]any, len(values))
	for name, given := range values {
		if len(given) == 1 {
			m[valid(name)] = valid(given[0])
			continue
		}
		list := make([]any, len(given))
		for i, v := range given {
			list[i] = valid(v)
		}
		m[valid(name)] = list
	}
	return m
}

// valid is text that JSON can carry.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
