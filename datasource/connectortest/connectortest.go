// Package connectortest is the suite that every connector passes against the
// real thing. A host runs it on a connector of its own:
//
//	connectortest.Run(t, myconnector.Connector(), settings, connectortest.Fixtures{…})
package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// patience is how long the suite waits for what should happen at once.
const patience = 10 * time.Second

// Fixtures tell the suite what it can ask of the other side. An operation that
// is nil leaves out the tests that need it.
type Fixtures struct {
	// Echo is an operation that gives back one row with one value: that of its
	// parameter {{ v }} of the type.
	Echo func(t datasource.ParamType) json.RawMessage

	// NoNull says that the other side has no null: Echo refuses it as Invalid.
	NoNull bool

	// EchoList is an operation that gives back one row with one value: a list, or
	// the JSON text of one, with the elements of its parameter {{ v }}, a list of
	// strings.
	EchoList json.RawMessage

	// Many gives at least 5,000 rows.
	Many json.RawMessage

	// Wide gives one row of at least 1,000 columns; Large one row that has a value of
	// at least 1 MiB. A type without columns, or with smaller values, has none.
	Wide, Large json.RawMessage

	// Slow runs for at least a minute when nobody stops it. Running counts how
	// many of it run on the other side now; nil = that cannot be known.
	Slow    json.RawMessage
	Running func(t *testing.T) int

	// Refused is an operation that the other side refuses.
	Refused json.RawMessage

	// Write changes what State returns. Harmful are operations that must be
	// refused, by Parse or by Query, and leave State as it is.
	Write   json.RawMessage
	Harmful map[string]json.RawMessage
	State   func(t *testing.T) string

	// Unreachable are settings with which nothing can be connected to.
	Unreachable map[string]datasource.Settings
}

// Run tests a connector with settings that work. Everything that may be secret
// in settings.Secrets is looked for in all public texts.
func Run(t *testing.T, connector datasource.Connector, settings datasource.Settings, f Fixtures) {
	t.Helper()
	s := &suite{connector: connector, settings: settings, Fixtures: f}
	t.Run("spec", s.spec)
	t.Run("echo", s.echo)
	t.Run("injection", s.injection)
	t.Run("rows", s.rows)
	t.Run("wide", s.wide)
	t.Run("large", s.large)
	t.Run("cancel", s.cancel)
	t.Run("refused", s.refused)
	t.Run("read-only", s.readOnly)
	t.Run("write", s.write)
	t.Run("introspect", s.introspect)
	t.Run("explain", s.explain)
	t.Run("unreachable", s.unreachable)
	t.Run("concurrent", s.concurrent)
	t.Run("close", s.closed)
	t.Run("probe", s.probe)
}

type suite struct {
	Fixtures
	connector datasource.Connector
	settings  datasource.Settings
}

func (s *suite) open(t *testing.T) datasource.Conn {
	t.Helper()
	conn, err := s.connector.Open(t.Context(), s.settings)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return conn
}

func (s *suite) statement(t *testing.T, operation json.RawMessage, params map[string]any) datasource.Statement {
	t.Helper()
	op, err := s.connector.Parse(operation)
	if err != nil {
		t.Fatalf("Parse(%s): %v", operation, err)
	}
	return datasource.Statement{Operation: op, Params: params, MaxRows: 1000, MaxBytes: 10 << 20}
}

// query runs an operation and reads all of its answer.
func (s *suite) query(t *testing.T, conn datasource.Conn, operation json.RawMessage, params map[string]any) ([][]any, error) {
	t.Helper()
	rows, err := conn.Query(t.Context(), s.statement(t, operation, params))
	if err != nil {
		return nil, err
	}
	all, err := readAll(t, rows)
	if closing := rows.Close(); closing != nil {
		t.Errorf("Rows.Close: %v", closing)
	}
	return all, err
}

func readAll(t *testing.T, rows datasource.Rows) ([][]any, error) {
	t.Helper()
	var all [][]any
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(row) != len(rows.Columns()) {
			t.Fatalf("a row has %d values for %d columns", len(row), len(rows.Columns()))
		}
		for _, v := range row {
			allowed(t, v)
		}
		all = append(all, append([]any(nil), row...))
	}
}

// allowed checks a value against the contract of Rows.
func allowed(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil, bool, int64, uint64, float64, string, []byte, time.Time, datasource.Date, datasource.Decimal, datasource.JSON:
	case []any:
		for _, element := range v {
			allowed(t, element)
		}
	default:
		t.Fatalf("a row holds a %T, which Rows does not allow", v)
	}
}

// public is what callers see of an error; it fails the test when that holds a
// secret, or when the error is not one of the two kinds that connectors return.
func (s *suite) public(t *testing.T, err error) {
	t.Helper()
	var text string
	if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
		text = refusal.Message
	} else if e, ok := errors.AsType[*problem.Error](err); ok {
		text = e.Message + e.Remedy
	} else {
		t.Fatalf("the error is neither a StatementError nor a problem.Error: %v", err)
	}
	if text == "" || strings.ContainsAny(text, "\r\n") {
		t.Errorf("the public text is not one line: %q", text)
	}
	for name, value := range s.settings.Secrets {
		if strings.Contains(text, value.Reveal()) || strings.Contains(err.Error(), value.Reveal()) {
			t.Errorf("the secret %q is in an error", name)
		}
	}
}

// await polls until ok, with a deadline.
func await(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}
