// Package gofunc makes datasources of typed Go functions of the host, for what
// no connector reaches: a service of the host's own, a library, a calculation.
//
// The parameters of the function are the fields of a struct, and so are the
// columns of its rows, both named by their json tags. A saved query fills the
// parameters with values or with {{ placeholders }}.
//
//	Connectors: []datasource.Connector{
//		gofunc.New(datasource.Spec{Type: "func:orders", Title: "Orders"}, orders),
//	}
//
// The function runs with the rights of the host's process, so that nothing but
// the function itself keeps it from changing something: see [New] on writing.
package gofunc

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"reflect"

	"github.com/jetadmin/jetadmin/datasource"
)

// New makes a connector of a function that returns its rows at once.
//
// Of the spec, Type is "func" and Title "Function" when empty, and Fields are the
// settings that the function reads with [Settings]. Abilities.Exec says that the
// function can change data: then only queries that are marked as writing run it.
// Operation is made here, from P.
//
// P is a struct: each exported field is a parameter, optional when its tag has
// omitempty or omitzero, and may be null when it is a pointer, a map, a slice or
// an interface; a number in an interface is a json.Number. R is a struct (or a pointer to one) whose exported fields are the
// columns, or one value (a string, a number, a time …), which becomes a column
// "value". [datasource.New] refuses any other P and R.
//
// The function is called concurrently, at most [MaxCalls] times for each
// datasource. Its context ends with the query: when it does not heed that, the
// query ends all the same, and the call counts until it returns. It has no
// caller (auth.FromContext is nil), because callers who ask the same share a call: what the
// function must know of the caller is a parameter that the query fills with
// {{ user.id }} or another trusted value. A panic is contained. An error that is a
// *problem.Error or a *datasource.StatementError is shown as these say; of any
// other the caller learns that the function failed, and the log the rest.
func New[P, R any](spec datasource.Spec, fn func(ctx context.Context, params P) ([]R, error)) datasource.Connector {
	return Stream(spec, func(ctx context.Context, params P) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			rows, err := fn(ctx, params)
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}
	})
}

// Stream is [New] for a function that gives its rows one by one: it is stopped
// when the limit of rows is reached. The first error ends the answer.
func Stream[P, R any](spec datasource.Spec, fn func(ctx context.Context, params P) iter.Seq2[R, error]) datasource.Connector {
	c := &connector{spec: spec}
	c.spec.Type, c.spec.Title = orDefault(spec.Type, "func"), orDefault(spec.Title, "Function")
	c.spec.Abilities = datasource.Abilities{Exec: spec.Abilities.Exec}
	if c.params, c.err = paramsOf(reflect.TypeFor[P]()); c.err == nil {
		c.columns, c.err = columnsOf(reflect.TypeFor[R]())
	}
	if c.err == nil {
		c.spec.Operation, c.err = operationSchema[P]()
	}
	c.call = func(ctx context.Context, document []byte, emit func(row any) bool) error {
		var params P
		d := json.NewDecoder(bytes.NewReader(document))
		d.UseNumber()
		if err := d.Decode(&params); err != nil {
			return misfit(err)
		}
		for row, err := range fn(ctx, params) {
			if err != nil {
				return err
			}
			if !emit(row) {
				return nil
			}
		}
		return nil
	}
	return c
}

// Settings are those of the datasource that a function is called for.
func Settings(ctx context.Context) datasource.Settings {
	s, _ := ctx.Value(settingsKey{}).(datasource.Settings)
	return s
}

type settingsKey struct{}

// connector is one function.
type connector struct {
	spec    datasource.Spec
	params  []field
	columns []column
	call    func(ctx context.Context, params []byte, emit func(row any) bool) error
	err     error // why the types cannot be used; Check reports it
}

func (c *connector) Spec() datasource.Spec { return c.spec }

// Check says what is wrong with the types of the function.
func (c *connector) Check() error { return c.err }

func (c *connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	reading := &conn{connector: c, settings: s, slots: make(chan struct{}, MaxCalls)}
	if c.spec.Abilities.Exec {
		return writing{reading}, nil
	}
	return reading, nil
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
