package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/internal/requestid"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// Problem is the body of every reply that is not a success (RFC 9457).
type Problem struct {
	Type      string          `json:"type" doc:"always about:blank: the code tells what happened"`
	Title     string          `json:"title" doc:"the status in words"`
	Status    int             `json:"status" doc:"the HTTP status"`
	Detail    string          `json:"detail" doc:"what happened, for a person"`
	Code      string          `json:"code" doc:"what happened, for a program; stable"`
	RequestID string          `json:"requestId" doc:"leads to the cause in the server's log"`
	Errors    []problem.Fault `json:"errors,omitempty" doc:"everything that is wrong with the input"`
	Remedy    string          `json:"remedy,omitempty" doc:"what the caller can do about it"`

	header http.Header
}

// Error makes a problem the error of a handler.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus tells huma the status of the reply.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells huma the headers of the reply.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType tells huma the media type of the reply.
func (p *Problem) ContentType(string) string { return problemType }

// refuse makes a problem that only HTTP knows: a method, a media type.
func refuse(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// reply turns the error of a request into the problem that its caller sees. A
// fault of ours is logged with its cause, and shown without.
func (a *API) reply(ctx context.Context, err error) *Problem {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		e := problem.Of(err)
		p = translate(e)
		a.logProblem(ctx, p.Status, e)
	}
	return complete(ctx, p)
}

func (a *API) logProblem(ctx context.Context, status int, err error) {
	level := slog.LevelDebug
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case status > http.StatusInternalServerError: // somebody else's: a datasource, a queue
		level = slog.LevelWarn
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the caller has gone: nobody reads the reply, and nothing is wrong
	}
	a.cfg.Logger.Log(ctx, level, "request failed",
		"requestId", requestid.FromContext(ctx), "operation", operationOf(ctx), "status", status, "error", err)
}

func translate(e *problem.Error) *Problem {
	p := &Problem{
		Status: statusOf(e.Kind),
		Detail: e.Message,
		Code:   e.Code,
		Errors: e.Faults,
		Remedy: e.Remedy,
		header: http.Header{},
	}
	if p.Code == "" {
		p.Code = string(e.Kind)
	}
	if e.RetryAfter > 0 {
		p.header.Set("Retry-After", seconds(e.RetryAfter))
	}
	return p
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func statusOf(kind problem.Kind) int {
	switch kind {
	case problem.Invalid:
		return http.StatusUnprocessableEntity
	case problem.Unauthenticated:
		return http.StatusUnauthorized
	case problem.Forbidden:
		return http.StatusForbidden
	case problem.NotFound:
		return http.StatusNotFound
	case problem.Conflict:
		return http.StatusConflict
	case problem.Stale:
		return http.StatusPreconditionFailed
	case problem.TooLarge:
		return http.StatusRequestEntityTooLarge
	case problem.RateLimited:
		return http.StatusTooManyRequests
	case problem.Upstream:
		return http.StatusBadGateway
	case problem.Unavailable:
		return http.StatusServiceUnavailable
	case problem.Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// complete returns a copy of p with what every problem carries.
func complete(ctx context.Context, p *Problem) *Problem {
	c := *p
	c.Type, c.Title, c.RequestID = "about:blank", http.StatusText(p.Status), requestid.FromContext(ctx)
	if len(c.Errors) > maxFaults {
		c.Errors = slices.Clone(c.Errors[:maxFaults])
	}
	if c.header = p.header.Clone(); c.header == nil {
		c.header = http.Header{}
	}
	if p.Status == http.StatusUnauthorized {
		c.header.Set("WWW-Authenticate", "Bearer")
	}
	return &c
}

// fail replies with the problem of err where huma is not on the way.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.reply(r.Context(), err)
	for name, values := range p.header {
		w.Header()[name] = values
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // a caller that has gone cannot be told so
}

// problems is huma's transformer of reply bodies for this API: what huma says by
// itself, about parameters, gets the shape of every other problem.
func (a *API) problems(ctx huma.Context, _ string, body any) (any, error) {
	if _, ours := body.(*Problem); ours {
		return body, nil
	}
	foreign, ok := body.(huma.StatusError)
	if !ok {
		return body, nil
	}
	// The host may have replaced huma's error type, and with it the media type.
	ctx.SetHeader("Content-Type", problemType)
	var p *Problem
	if status := foreign.GetStatus(); status < http.StatusInternalServerError {
		p = invalid(faultsOf(foreign))
		p.Status = status // huma has chosen the status line
	} else {
		e := problem.Of(foreign)
		p = translate(e)
		a.logProblem(ctx.Context(), p.Status, e)
	}
	return complete(ctx.Context(), p), nil
}
