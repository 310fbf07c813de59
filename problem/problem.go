// Package problem is the one error type that crosses package borders.
//
// An [Error] has two faces. The public one (kind, code, message, remedy and the
// list of faults) is safe to show to whoever made the call. The private one is
// the cause: it stays in the log, where the request id leads to it.
//
// Code that creates an error picks the [Kind]; code that reports one (the HTTP
// layer, the realtime hub, a host) looks only at the kind, never at the text.
package problem

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what went wrong in terms of what the caller can do about it.
type Kind string

// The kinds, with the HTTP status that internal/api gives them.
const (
	Invalid         Kind = "invalid"         // 422: the input has faults, all of them listed
	Unauthenticated Kind = "unauthenticated" // 401: no credential, or one that is not valid
	Forbidden       Kind = "forbidden"       // 403: known, but not allowed
	NotFound        Kind = "notFound"        // 404: missing, or another tenant's
	Conflict        Kind = "conflict"        // 409: the state of the object does not allow it
	Stale           Kind = "stale"           // 412: the object changed since it was read
	TooLarge        Kind = "tooLarge"        // 413: over a documented limit
	RateLimited     Kind = "rateLimited"     // 429: try again after RetryAfter
	Upstream        Kind = "upstream"        // 502: a datasource or remote service failed
	Unavailable     Kind = "unavailable"     // 503: a part of the platform is not ready
	Timeout         Kind = "timeout"         // 504: a documented time limit was reached
	Internal        Kind = "internal"        // 500: a fault of ours; the cause is in the log
)

// Kinds lists all of them, in the order above.
func Kinds() []Kind {
	return []Kind{
		Invalid, Unauthenticated, Forbidden, NotFound, Conflict, Stale, TooLarge, RateLimited, Upstream, Unavailable, Timeout, Internal,
	}
}

// Error is a failure with a public and a private face.
//
// It is a value to be built once and then returned; it is safe for concurrent
// reading.
type Error struct {
	Kind       Kind
	Code       string        // stable and machine-readable, e.g. "query_parameter_invalid"; "" means the kind
	Message    string        // one public sentence: lower case, no full stop, no secrets
	Remedy     string        // what the caller can do about it; may be empty
	Faults     []Fault       // every fault of the input, for Invalid
	RetryAfter time.Duration // for RateLimited and Unavailable; 0 = unknown
	Cause      error         // private: for the log, never for the caller
}

// Fault is one thing wrong with an input.
type Fault struct {
	Path    string `json:"path"`    // where, e.g. "nodes.charge.config.url" or "params.country"
	Message string `json:"message"` // what, without the rejected value
}

// New returns an error of a kind. The message is public.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Newf is [New] with formatting. Only values that the caller may see belong in args.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// Missing is the one answer for an object that is not there and for one that
// belongs to somebody else. The noun is the kind of object, e.g. "datasource".
func Missing(noun string) *Error {
	return New(NotFound, "not_found", noun+" not found")
}

// Because returns a copy of e that carries a private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Fix returns a copy of e that tells the caller what to do.
func (e *Error) Fix(remedy string) *Error {
	c := *e
	c.Remedy = remedy
	return &c
}

// Error gives the whole story, for the log and for who calls from Go: message,
// faults, the remedy in parentheses, and the cause. It is not for callers over
// HTTP, who get everything but the cause in fields of their own.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Faults {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		if f.Path != "" {
			b.WriteString(f.Path + " ")
		}
		b.WriteString(f.Message)
	}
	if e.Remedy != "" {
		b.WriteString(" (" + e.Remedy + ")")
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the private cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns the *Error in err's chain. An error that has none is an
// [Internal] one with err as its private cause, so that an unforeseen error
// never shows its text to a caller. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Message: "something went wrong on our side", Cause: err}
}

// KindOf is the kind of err: [Internal] for an error that carries none, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return Of(err).Kind
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
