package datasource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/internal/sandbox"
	"github.com/jetadmin/jetadmin/problem"
)

// Transform makes something else of a result, after it was read. It sees an
// object input with the members columns, rows and params, in the form that they
// have in JSON; what it returns is the output of the [Result], which then has no
// rows.
type Transform struct {
	Language TransformLanguage `json:"language"` // "" = none
	Text     string            `json:"text"`
}

// TransformLanguage is the language of a transformation.
type TransformLanguage string

// The languages.
const (
	TransformNone       TransformLanguage = "none"
	TransformExpression TransformLanguage = "expression" // like in workflows: map(input.rows, #[0])
	TransformScript     TransformLanguage = "script"     // JavaScript in a sandbox: return input.rows.length
)

// The limits of a script; those of expressions are everywhere the same.
const (
	transformTime   = 5 * time.Second
	transformMemory = 128 << 20
)

func (t Transform) none() bool { return t.Language == "" || t.Language == TransformNone }

// checked is the transformation that is saved, with its faults noted.
func (s *Service) checked(ctx context.Context, t Transform, writes bool, faults *problem.Faults) Transform {
	if t.none() {
		faults.Check(t.Text == "", "transform.text", "must be empty without a language")
		return Transform{Language: TransformNone}
	}
	faults.Check(!writes, "transform", "is not possible for a query that writes: what it fails at would have been done")
	switch t.Language {
	case TransformExpression:
		_, err := expr.ParseExpression(t.Text)
		faults.Merge("transform.text", err)
	case TransformScript:
		faults.Merge("transform.text", s.checkScript(ctx, t.Text))
	default:
		faults.Add("transform.language", "must be none, expression or script")
	}
	return t
}

// checkScript remembers scripts without faults: the check takes some time, and is
// made again in the transaction that saves the query.
func (s *Service) checkScript(ctx context.Context, text string) error {
	if s.cfg.Scripts == nil {
		return problem.New(problem.Invalid, "scripts_missing", "scripts cannot be run on this server")
	}
	if _, ok := s.scripts.get(text); ok {
		return nil
	}
	err := s.cfg.Scripts.Check(ctx, text)
	if err == nil {
		s.scripts.put(text, struct{}{}, 0)
	}
	return err
}

// ahead checks a script before the transaction that will want to know.
func (s *Service) ahead(ctx context.Context, t Transform) {
	if t.Language == TransformScript {
		_ = s.checkScript(ctx, t.Text)
	}
}

// transformError says that a transformation failed. What it said may hold values
// of the result: it is for who may test queries.
type transformError struct{ cause *problem.Error }

func (e *transformError) Error() string { return "transform: " + e.cause.Error() }

// Unwrap gives the private cause to errors.Is and errors.As.
func (e *transformError) Unwrap() error { return e.cause }

func (e *transformError) shown(detailed bool) error {
	switch e.cause.Kind {
	case problem.Timeout, problem.Unavailable, problem.Internal:
		return e.cause
	}
	p := problem.New(problem.Invalid, "transform_failed", "the transformation of the result failed").Because(e.cause)
	if !detailed {
		return p.Fix("ask an editor of the query to test it")
	}
	var faults problem.Faults
	faults.Merge("transform.text", e.cause)
	p.Faults = faults.List()
	return p
}

// transformed gives a result what the transformation of its query makes of it.
func (s *Service) transformed(ctx context.Context, c *call, r *Result) error {
	t := c.plan.query.Transform
	if t.none() {
		return nil
	}
	input, err := c.input(r)
	if err != nil {
		return err
	}
	output, err := s.evaluate(ctx, t, input)
	if err != nil {
		return &transformError{problem.Of(err)}
	}
	if output == nil {
		output = json.RawMessage("null") // there is an output, and it is null
	}
	r.Output, r.Rows, r.Columns = output, [][]any{}, []Column{}
	return nil
}

func (s *Service) evaluate(ctx context.Context, t Transform, input map[string]any) (any, error) {
	if t.Language == TransformExpression {
		e, err := expr.ParseExpression(t.Text)
		if err != nil {
			return nil, err
		}
		return e.Eval(expr.Env{"input": input})
	}
	if s.cfg.Scripts == nil {
		return nil, problem.New(problem.Unavailable, "scripts_missing", "scripts cannot be run on this server")
	}
	text, err := s.cfg.Scripts.Run(ctx, sandbox.Program{
		Source: t.Text, Input: input, Limits: sandbox.Limits{Time: transformTime, Memory: transformMemory, Output: MaxResultBytes},
	})
	if err != nil {
		return nil, err
	}
	return decoded(text)
}

// input is what a transformation sees. It may not change what it shares with the
// result: expressions cannot, and scripts get a copy.
func (c *call) input(r *Result) (map[string]any, error) {
	rows := make([]any, len(r.Rows))
	for i, row := range r.Rows {
		rows[i] = row
	}
	columns := make([]any, len(r.Columns))
	for i, column := range r.Columns {
		columns[i] = map[string]any{"name": column.Name, "type": string(column.Type), "databaseType": column.DatabaseType}
	}
	params := make(map[string]any, len(c.plan.rules))
	for _, rule := range c.plan.rules {
		params[rule.Name] = c.values[rule.Name]
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("write the parameters: %w", err)
	}
	plain, err := decoded(text)
	return map[string]any{"columns": columns, "rows": rows, "params": plain}, err
}

func decoded(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// transformationOf is the failure of a transformation that err is; nil for
// everything else, like in refusedBy.
func transformationOf(err error) *transformError {
	for ; err != nil; err = errors.Unwrap(err) {
		switch e := err.(type) {
		case *transformError:
			return e
		case *problem.Error:
			return nil
		}
	}
	return nil
}
