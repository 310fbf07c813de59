package connectortest

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

func (s *suite) spec(t *testing.T) {
	spec, err := datasource.CheckConnector(s.connector)
	if err != nil {
		t.Fatal(err)
	}
	if checker, ok := s.connector.(datasource.SettingsChecker); ok {
		if err := checker.CheckSettings(s.settings); err != nil {
			t.Errorf("settings that work are refused: %v", err)
		}
	}
	conn := s.open(t)
	if _, ok := conn.(datasource.Execer); ok != spec.Abilities.Exec {
		t.Errorf("the spec says exec %v, the Conn %v", spec.Abilities.Exec, ok)
	}
	if _, ok := conn.(datasource.Introspector); ok != spec.Abilities.Introspect {
		t.Errorf("the spec says introspect %v, the Conn %v", spec.Abilities.Introspect, ok)
	}
	if _, ok := conn.(datasource.Explainer); ok != spec.Abilities.Explain {
		t.Errorf("the spec says explain %v, the Conn %v", spec.Abilities.Explain, ok)
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	for _, operation := range []string{`null`, `[]`, `"x"`, `{"nobodyDeclaresThis": 1}`, `{`} {
		_, err := s.connector.Parse(json.RawMessage(operation))
		if !problem.Is(err, problem.Invalid) && operation != `null` {
			t.Errorf("Parse(%s): %v, want Invalid", operation, err)
		}
	}
}

// rows reads a long answer to its end, and stops in the middle of one.
func (s *suite) rows(t *testing.T) {
	if s.Many == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	st := s.statement(t, s.Many, nil)
	st.MaxRows = 10_000
	rows, err := conn.Query(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(t, rows)
	if err != nil || len(all) < 5000 {
		t.Fatalf("%d rows, %v", len(all), err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	for range 20 { // more than a pool holds: a connection that does not come back blocks the next
		rows, err := conn.Query(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rows.Next(); err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	s.usable(t, conn)
}

// wide reads more columns than anybody looks at.
func (s *suite) wide(t *testing.T) {
	if s.Wide == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	rows, err := conn.Query(t.Context(), s.statement(t, s.Wide, nil))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range rows.Columns() {
		names[c.Name] = true
	}
	all, err := readAll(t, rows)
	if closing := rows.Close(); closing != nil {
		t.Errorf("Rows.Close: %v", closing)
	}
	if err != nil || len(all) == 0 || len(names) < 1000 {
		t.Fatalf("%d rows with %d columns, %v", len(all), len(names), err)
	}
	s.usable(t, conn)
}

// large reads a value of 1 MiB, and one that is more than a statement may take: that
// comes whole, to whoever counts, or is refused, and harms no other statement.
func (s *suite) large(t *testing.T) {
	if s.Large == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	all, err := s.query(t, conn, s.Large, nil)
	if err != nil || largest(all) < 1<<20 {
		t.Fatalf("the largest value has %d bytes, %v", largest(all), err)
	}
	st := s.statement(t, s.Large, nil)
	st.MaxBytes = 64 << 10
	rows, err := conn.Query(t.Context(), st)
	if err == nil {
		all, err = readAll(t, rows)
		_ = rows.Close()
	}
	if err != nil {
		s.public(t, err)
	} else if largest(all) < 1<<20 {
		t.Errorf("a value that is too large was cut to %d bytes", largest(all))
	}
	s.usable(t, conn)
}

// largest is the length of the longest text.
func largest(rows [][]any) (n int) {
	for _, row := range rows {
		for _, v := range row {
			switch v := v.(type) {
			case string:
				n = max(n, len(v))
			case []byte:
				n = max(n, len(v))
			}
		}
	}
	return n
}

// usable reports whether a Conn still does its work.
func (s *suite) usable(t *testing.T, conn datasource.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		t.Fatalf("the connection is of no more use: %v", err)
	}
	if s.Echo != nil {
		if got := s.echoed(t, conn, datasource.ParamString, "still here"); got != "still here" {
			t.Fatalf("got %v", got)
		}
	}
}

// cancel is case T92: the statement ends on both sides within 2 s.
func (s *suite) cancel(t *testing.T) {
	if s.Slow == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	for range 6 { // more than a pool holds
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			rows, err := conn.Query(ctx, s.statement(t, s.Slow, nil))
			if err == nil {
				_, err = readAll(t, rows)
				_ = rows.Close()
			}
			ended <- err
		}()
		if s.Running != nil {
			await(t, patience, "the slow statement runs", func() bool { return s.Running(t) > 0 })
		}
		cancel()
		started := time.Now()
		select {
		case err := <-ended:
			if err == nil {
				t.Fatal("the cancelled statement succeeded")
			}
		case <-time.After(patience):
			t.Fatal("the cancelled statement goes on")
		}
		if s.Running != nil {
			await(t, max(2*time.Second-time.Since(started), 0), "the statement is gone from the other side", func() bool { return s.Running(t) == 0 })
		}
	}
	s.usable(t, conn)
}

func (s *suite) refused(t *testing.T) {
	if s.Refused == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	_, err := s.query(t, conn, s.Refused, nil)
	if err == nil {
		t.Fatal("the operation was not refused")
	}
	s.public(t, err)
	s.usable(t, conn)
}

// harmful are the operations that a read must not do.
func (s *suite) harmful() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for name, operation := range s.Harmful {
		all[name] = operation
	}
	if s.Write != nil {
		all["the write of the fixture"] = s.Write
	}
	return all
}

// readOnly is case T86.
func (s *suite) readOnly(t *testing.T) {
	conn := s.open(t)
	for name, operation := range s.harmful() {
		t.Run(name, func(t *testing.T) {
			before := s.state(t)
			op, err := s.connector.Parse(operation)
			if err == nil {
				var rows datasource.Rows
				rows, err = conn.Query(t.Context(), datasource.Statement{Operation: op, MaxRows: 10, MaxBytes: 1 << 20})
				if err == nil {
					_, err = readAll(t, rows)
					_ = rows.Close()
				}
			}
			if err == nil {
				t.Error("it was not refused")
			} else {
				s.public(t, err)
			}
			if after := s.state(t); after != before {
				t.Errorf("the other side changed from %q to %q", before, after)
			}
			s.usable(t, conn)
		})
	}
}

func (s *suite) write(t *testing.T) {
	if s.Write == nil {
		t.Skip("no fixture")
	}
	conn := s.open(t)
	before := s.state(t)
	rows, err := conn.(datasource.Execer).Exec(t.Context(), s.statement(t, s.Write, nil))
	if err != nil {
		t.Fatal(err)
	}
	if after := s.state(t); after == before {
		t.Error("nothing is kept when Exec returns")
	}
	if _, err := readAll(t, rows); err != nil {
		t.Error(err)
	}
	_ = rows.Close()
	s.usable(t, conn)
}

func (s *suite) introspect(t *testing.T) {
	conn, ok := s.open(t).(datasource.Introspector)
	if !ok {
		t.Skip("not an Introspector")
	}
	schema, err := conn.Introspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(schema.Tables) == 0 {
		t.Error("no tables")
	}
	for _, table := range schema.Tables {
		if table.Name == "" || table.Kind == "" || len(table.Columns) == 0 {
			t.Errorf("table %+v lacks something", table)
		}
	}
}

// explain tells of a statement and does nothing of it.
func (s *suite) explain(t *testing.T) {
	conn := s.open(t)
	explainer, ok := conn.(datasource.Explainer)
	if !ok || s.Echo == nil {
		t.Skip("not an Explainer")
	}
	told, err := explainer.Explain(t.Context(), s.statement(t, s.Echo(datasource.ParamString), map[string]any{"v": "x"}))
	if err != nil || len(told.Lines) == 0 {
		t.Errorf("it tells %q, %v", told.Lines, err)
	}
	for name, operation := range s.harmful() {
		before := s.state(t)
		op, err := s.connector.Parse(operation)
		if err != nil {
			continue
		}
		_, err = explainer.Explain(t.Context(), datasource.Statement{Operation: op, MaxRows: 10, MaxBytes: 1 << 20})
		if err != nil {
			s.public(t, err)
		}
		if after := s.state(t); after != before {
			t.Errorf("%s: the other side changed from %q to %q", name, before, after)
		}
	}
	s.usable(t, conn)
}

func (s *suite) unreachable(t *testing.T) {
	for name, settings := range s.Unreachable {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := s.connector.Open(ctx, settings)
			if err == nil {
				err = conn.Ping(ctx)
				_ = conn.Close()
			}
			if err == nil {
				t.Fatal("it can be reached")
			}
			s.public(t, err)
			if prober, ok := s.connector.(datasource.Prober); ok {
				s.probed(t, prober, settings, false)
			}
		})
	}
}

func (s *suite) probe(t *testing.T) {
	prober, ok := s.connector.(datasource.Prober)
	if !ok {
		t.Skip("not a Prober")
	}
	s.probed(t, prober, s.settings, true)
}

func (s *suite) probed(t *testing.T, prober datasource.Prober, settings datasource.Settings, want bool) {
	t.Helper()
	var steps []datasource.Step
	prober.Probe(t.Context(), settings, func(step datasource.Step) { steps = append(steps, step) })
	if len(steps) == 0 {
		t.Fatal("no steps")
	}
	for i, step := range steps {
		last := i == len(steps)-1
		failed := step.Status == datasource.StepFailed
		if step.Name == "" || failed != (last && !want) {
			t.Errorf("step %d of %d is %+v", i+1, len(steps), step)
		}
		if failed {
			s.public(t, problem.New(problem.Upstream, "", step.Message).Because(step.Cause))
		}
	}
}

func (s *suite) concurrent(t *testing.T) {
	conn := s.open(t)
	if s.Echo == nil {
		s.manyAtOnce(t, conn)
		return
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			for j := range 10 {
				sent := int64(i*100 + j)
				rows, err := s.query(t, conn, s.Echo(datasource.ParamInteger), map[string]any{"v": sent})
				if err != nil || len(rows) != 1 || !same(datasource.ParamInteger, sent, rows[0][0]) {
					t.Errorf("sent %d, got %v, %v", sent, rows, err)
				}
			}
		})
	}
	group.Wait()
}

// manyAtOnce reads the same long answer in several goroutines.
func (s *suite) manyAtOnce(t *testing.T, conn datasource.Conn) {
	if s.Many == nil {
		t.Skip("no fixture")
	}
	want, err := s.query(t, conn, s.Many, nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			got, err := s.query(t, conn, s.Many, nil)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%d rows (%v), and %d alone, or others", len(got), err, len(want))
			}
		})
	}
	group.Wait()
}

func (s *suite) closed(t *testing.T) {
	conn, err := s.connector.Open(t.Context(), s.settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("Ping works after Close")
	}
}
