package datasource

import (
	"context"
	"errors"
	"fmt"

	"github.com/jetadmin/jetadmin/problem"
)

// StatementError says that the other side refused a statement. Its message
// helps who writes the statement; who only runs it learns that it failed.
type StatementError struct {
	Code     string // of the datasource: an SQLSTATE, a status; may be empty
	Message  string // one line for who may test queries; no connection details
	Position int    // offset in the operation's text in bytes, from 0; -1 = unknown
	Cause    error  // private
}

func (e *StatementError) Error() string {
	if e.Cause == nil || e.Cause.Error() == e.Message {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the private cause to errors.Is and errors.As.
func (e *StatementError) Unwrap() error { return e.Cause }

// failure turns what came out of a connector into an error for the caller. ctx
// is the context of the run, limited by the time limit that timedOut names.
func failure(ctx context.Context, err error, detailed bool) error {
	if cause := context.Cause(ctx); cause != nil {
		if p, ok := errors.AsType[*problem.Error](cause); ok {
			return p.Because(err)
		}
		return problem.New(problem.Timeout, "query_cancelled", "the query was cancelled").Because(errors.Join(cause, err))
	}
	if s, ok := errors.AsType[*StatementError](err); ok {
		return refusal(s, detailed)
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return problem.New(problem.Upstream, "datasource_failed", "the datasource failed").
		Fix("test the connection of the datasource; the log has the cause under the id of this request").Because(err)
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
	return e
}

var errHushed = errors.New("not kept: the statement has sensitive parameters")

// hushed takes from an error what the other side said: databases repeat values.
// The code of a refused statement, and the place, stay.
func hushed(err error) error {
	if s, ok := errors.AsType[*StatementError](err); ok {
		return &StatementError{
			Code: s.Code, Position: s.Position, Cause: errHushed,
			Message: "the datasource refused the query; what it said is not shown, because the query has sensitive parameters",
		}
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Because(errHushed)
	}
	return errHushed
}

// panicked is the error for a connector that panicked; the value may hold
// anything, so only the log sees it.
func panicked(v any) error { return fmt.Errorf("the connector panicked: %v", v) }
