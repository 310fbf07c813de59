package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/internal/traceparent"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// httpCall sends a request.
type httpCall struct{ client *http.Client }

type httpConfig struct {
	Method  string            `json:"method,omitempty" jsonschema:"default GET"`
	URL     string            `json:"url" jsonschema:"http or https; the server's outbound policy decides whether it may be reached"`
	Query   map[string]string `json:"query,omitempty" jsonschema:"added to the URL, escaped"`
	Headers map[string]string `json:"headers,omitempty" jsonschema:"sent as they are; besides them Idempotency-Key, the same for every attempt, unless it is among them"`
	Body    any               `json:"body,omitempty" jsonschema:"sent as JSON, or as it is when it is a text"`
}

// maxHTTPBody is the most that is read of a reply.
const maxHTTPBody = workflow.MaxOutput / 2

func (httpCall) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "http", Title: "HTTP request", Config: schemaOf[httpConfig](),
		Description: "Sends a request. A status of 400 or more is a failure.",
		Output:      "`status`, `headers` (names in lower case), `body` (parsed when the reply says that it is JSON, else a text)",
		Limits: []string{
			fmt.Sprintf("a reply of more than %d KB is a failure", maxHTTPBody>>10),
			"repeated by the retry policy: no answer, and the statuses 408, 429 and 5xx, after `Retry-After` if they have it; other failures would be the same again",
			"public addresses only, unless the server allows more (`Config.Egress`)",
		},
	}
}

func (n httpCall) Run(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
	request, err := newRequest(ctx, call)
	if err != nil {
		return workflow.Result{}, err
	}
	reply, err := n.client.Do(request)
	if err != nil {
		return workflow.Result{}, unreachable(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxHTTPBody+1))
	if err != nil {
		return workflow.Result{}, unreachable(err)
	}
	if len(body) > maxHTTPBody {
		return workflow.Result{}, problem.Newf(problem.TooLarge, "http_reply_too_large", "the reply has more than %d bytes", maxHTTPBody)
	}
	if reply.StatusCode >= 400 {
		return workflow.Result{}, refused(reply)
	}
	return workflow.Result{Output: map[string]any{
		"status": reply.StatusCode, "headers": flat(reply.Header), "body": parsed(reply.Header, body),
	}}, nil
}

func newRequest(ctx context.Context, call *workflow.Call) (*http.Request, error) {
	var c httpConfig
	if err := call.Bind(&c); err != nil {
		return nil, err
	}
	u, err := webAddress(c.URL)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	for k, v := range c.Query {
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	var body io.Reader
	contentType := ""
	if c.Body != nil {
		text, isText := c.Body.(string)
		if !isText {
			// From the expanded configuration, where numbers are as they were written.
			b, err := json.Marshal(call.Config["body"])
			if err != nil {
				return nil, err
			}
			text, contentType = string(b), "application/json"
		}
		body = bytes.NewReader([]byte(text))
	}
	method := strings.ToUpper(c.Method)
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, problem.New(problem.Invalid, "http_method_invalid", "the method is not a valid one").Because(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r, label(r, call.IdempotencyKey, c.Headers)
}

// label sets what every request carries, the same for every attempt, and then the
// headers of the configuration.
func label(r *http.Request, idempotencyKey string, headers map[string]string) error {
	r.Header.Set("Idempotency-Key", idempotencyKey)
	if header := traceparent.Format(trace.SpanContextFromContext(r.Context())); header != "" {
		r.Header.Set(traceparent.Header, header)
	}
	for k, v := range headers {
		if strings.ContainsAny(k+v, "\r\n\x00") {
			return problem.New(problem.Invalid, "http_header_invalid", "a header holds a line break")
		}
		r.Header.Set(k, v)
	}
	return nil
}

func webAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, problem.New(problem.Invalid, "http_url_invalid", "the url is not an absolute http or https URL")
	}
	return u, nil
}

// unreachable keeps the address and the text of the failure in the log; the
// outbound policy's own refusals are already in public words.
func unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, whose query may hold keys
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return problem.New(problem.Timeout, "http_timeout", "the service did not answer in time").Because(err)
	}
	return problem.New(problem.Upstream, "http_failed", "the service could not be reached").Because(err)
}

// refused makes an error of a reply. Only what may pass by itself is worth
// another attempt.
func refused(reply *http.Response) error {
	kind := problem.Upstream
	if c := reply.StatusCode; c < 500 && c != http.StatusTooManyRequests && c != http.StatusRequestTimeout {
		kind = problem.Conflict
	}
	p := problem.Newf(kind, "http_status", "the service answered with status %d", reply.StatusCode)
	if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(min(seconds, 86400)) * time.Second
	}
	return p
}

func flat(h http.Header) map[string]string {
	m := make(map[string]string, len(h))
	for k, v := range h {
		m[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	return m
}

// parsed reads a JSON body; any other is a text.
func parsed(h http.Header, body []byte) any {
	if strings.Contains(h.Get("Content-Type"), "json") {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil {
			return v
		}
	}
	return string(body)
}
