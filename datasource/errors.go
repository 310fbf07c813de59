package datasource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// StatementError says that the other side refused a statement. Its message
// helps who writes the statement; who only runs it learns that it failed.
type StatementError struct {
	Code     string // of the datasource: an SQLSTATE, a status; may be empty
	Message  string // one line for who may test queries; no connection details
	Remedy   string // what its author can do about it, for the same readers; may be empty
	Position int    // offset in the operation's text in bytes, from 0; -1 = unknown
	Cause    error  // private
}

func (e *StatementError) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	if cause := e.Cause.Error(); !strings.Contains(cause, e.Message) {
		return e.Message + ": " + cause
	}
	return e.Cause.Error()
}

// Unwrap gives the private cause to errors.Is and errors.As.
func (e *StatementError) Unwrap() error { return e.Cause }

// caused is the reason why the context of a run ended, when it has; otherwise err.
func caused(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || err == nil {
		return err
	}
	if p, ok := errors.AsType[*problem.Error](cause); ok {
		return p.Because(err)
	}
	return problem.New(problem.Timeout, "query_cancelled", "the query was cancelled").Because(errors.Join(cause, err))
}

// failure turns what came out of a connector into an error for a caller.
func failure(err error, detailed bool) error {
	if s := refusedBy(err); s != nil {
		return refusal(s, detailed)
	}
	if t := transformationOf(err); t != nil {
		return t.shown(detailed)
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return problem.New(problem.Upstream, "datasource_failed", "the datasource failed").
		Fix("test the connection of the datasource; the log has the cause under the id of this request").Because(err)
}

// refusedBy is the refusal of a statement that err is; nil for a problem that only
// has one as its cause, and for everything else.
func refusedBy(err error) *StatementError {
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case *StatementError:
			return e
		case *problem.Error:
			return nil
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				if s := refusedBy(one); s != nil {
					return s
				}
			}
		}
	}
	return nil
}

func refusal(s *StatementError, detailed bool) error {
	e := problem.New(problem.Upstream, "query_failed", "the datasource refused the query").Because(s)
	if !detailed {
		return e.Fix("ask an editor of the query to test it")
	}
	e.Message = s.Message
	if s.Code != "" {
		e.Message += " (" + s.Code + ")"
	}
	if s.Position >= 0 {
		e.Message += fmt.Sprintf(", at offset %d of the text", s.Position)
	}
	if s.Remedy != "" {
		return e.Fix(s.Remedy)
	}
	return e
}

// NotWriting is the refusal of a statement that changes data, or may, in a query that is
// not marked as writing.
func NotWriting(message, code string, cause error) *StatementError {
	return &StatementError{Code: code, Message: message, Remedy: "if it is meant to change data, mark the query as writing: writes", Position: -1, Cause: cause}
}

var errHushed = errors.New("not kept: the statement has sensitive parameters")

// hushed takes from an error what the other side said: databases repeat values.
// The code of a refused statement, and the place, stay.
func hushed(err error) error {
	if s := refusedBy(err); s != nil {
		return &StatementError{
			Code: s.Code, Position: s.Position, Cause: errHushed,
			Message: "the datasource refused the query; what it said is not shown, because the query has sensitive parameters",
		}
	}
	if transformationOf(err) != nil {
		return problem.New(problem.Invalid, "transform_failed", "the transformation of the result failed; what it said is not shown, because the query has sensitive parameters")
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Because(errHushed)
	}
	return errHushed
}

var errPanicked = errors.New("the connector panicked")

// panicked is the error for a connector that panicked; the value may hold
// anything, so only the log sees it.
func panicked(v any) error { return fmt.Errorf("%w: %v", errPanicked, v) }
