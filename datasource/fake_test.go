package datasource_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// fake is a host's own connector, of the type "fake": what its connections do is
// the word in the operation's text.
type fake struct {
	opens, closes atomic.Int64

	mu       sync.Mutex
	settings datasource.Settings // of the last Open
	failure  error               // what Open returns
	opening  chan struct{}       // what Open waits for; nil = nothing

	unreachable bool          // what Query says
	rows        [][]any       // of "rows": an error in the place of a row fails there, nil waits
	started     chan struct{} // gets one for each "wait" and "gate" that runs
	gate        chan struct{} // what a "gate" waits for

	statements, ended, closedRows atomic.Int64
}

func newFake() *fake { return &fake{started: make(chan struct{}, 100), gate: make(chan struct{})} }

func (f *fake) Spec() datasource.Spec {
	return datasource.Spec{
		Type: "fake", Title: "Fake",
		Fields: []datasource.Field{
			{Name: "host", Title: "Host", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "port", Title: "Port", Type: datasource.FieldInteger, Default: int64(80), Min: 1, Max: 65535, Target: true},
			{Name: "mode", Title: "Mode", Type: datasource.FieldString, Enum: []string{"fast", "slow"}, Default: "fast"},
			{Name: "verify", Title: "Verify", Type: datasource.FieldBoolean, Default: true},
			{Name: "extra", Title: "Extra", Type: datasource.FieldMap},
			{Name: "ca", Title: "CA", Type: datasource.FieldText},
			{Name: "password", Title: "Password", Type: datasource.FieldString, Secret: true},
			{Name: "token", Title: "Token", Type: datasource.FieldString, Secret: true},
		},
		Operation: json.RawMessage(`{"type": "object"}`),
	}
}

// operation is a word, with parameters that only make a difference.
type operation struct {
	word string
	text template.Text
}

func (o operation) Passes() bool { return o.word == "passing" }

func (o operation) Placeholders() []string { return o.text.Placeholders() }

func (f *fake) Parse(text json.RawMessage) (datasource.Operation, error) {
	var in struct{ Text string }
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	parsed, err := template.ParseText(in.Text, "text")
	word, _, _ := strings.Cut(in.Text, " ")
	return operation{word, parsed}, err
}

func (f *fake) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	f.opens.Add(1)
	f.mu.Lock()
	opening := f.opening
	f.mu.Unlock()
	if opening != nil {
		select {
		case <-opening:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings = s
	if f.failure != nil {
		f.closes.Add(1)
		return nil, f.failure
	}
	return &fakeConn{f}, nil
}

// swallow has Open wait until the end of the test.
func (f *fake) swallow(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opening = make(chan struct{})
	t.Cleanup(func() { close(f.opening) })
}

func (f *fake) set(failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = failure
}

func (f *fake) last() datasource.Settings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings
}

type fakeConn struct{ *fake }

func (c *fakeConn) Ping(context.Context) error { return nil }

func (c *fakeConn) Close() error {
	c.closes.Add(1)
	return nil
}

func (c *fakeConn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	c.statements.Add(1)
	defer c.ended.Add(1)
	c.mu.Lock()
	password, gate, unreachable, rows := c.settings.Secret("password").Reveal(), c.gate, c.unreachable, c.rows
	c.mu.Unlock()
	if unreachable {
		return nil, problem.New(problem.Upstream, "connect_failed", "the fake cannot be reached")
	}
	one := func(v any) (datasource.Rows, error) {
		return datasource.BufferedRows([]datasource.Column{{Name: "v"}}, [][]any{{v}}), nil
	}
	switch s.Operation.(operation).word {
	case "panic":
		panic("with " + password)
	case "fail":
		return nil, errors.New("dial fake://user:" + password + "@host")
	case "refuse":
		return nil, &datasource.StatementError{Message: "no", Position: -1}
	case "busy":
		return nil, problem.New(problem.Upstream, datasource.CodeBusy, "the fake is busy")
	case "wait":
		c.started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	case "dial":
		<-ctx.Done()
		return nil, problem.New(problem.Upstream, "connect_failed", "the fake cannot be reached").Because(&net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()})
	case "gate":
		c.started <- struct{}{}
		select {
		case <-gate:
			return one(c.statements.Load())
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "rows":
		return &fakeRows{ctx: ctx, fake: c.fake, all: rows, left: rows}, nil
	case "who":
		return one(auth.FromContext(ctx) != nil)
	case "big":
		return datasource.BufferedRows([]datasource.Column{{Name: "v"}}, [][]any{{string(make([]byte, 6<<20))}, {string(make([]byte, 6<<20))}}), nil
	}
	return one("ok")
}

// open lets everything at the gate go on, and closes it again.
func (f *fake) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.gate)
	f.gate = make(chan struct{})
}

func (f *fake) unreach(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unreachable = yes
}

// writing is the fake as a type that can write, "writing".
type writing struct{ *fake }

func (w writing) Spec() datasource.Spec {
	spec := w.fake.Spec()
	spec.Type, spec.Abilities.Exec = "writing", true
	return spec
}

func (w writing) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	conn, err := w.fake.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return writingConn{conn.(*fakeConn)}, nil
}

type writingConn struct{ *fakeConn }

func (c writingConn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	return c.Query(ctx, s)
}

// canWrite adds the type "writing" to a world's.
func canWrite(c *datasource.Config) {
	for _, connector := range c.Connectors {
		if f, ok := connector.(*fake); ok {
			c.Connectors = append(c.Connectors, writing{f})
		}
	}
}

// fakeRows gives rows of one column for each value of the first one.
type fakeRows struct {
	*fake
	ctx       context.Context
	all, left [][]any
}

func (r *fakeRows) Columns() []datasource.Column {
	var columns []datasource.Column
	if len(r.all) > 0 {
		for i := range r.all[0] {
			columns = append(columns, datasource.Column{Name: string(rune('a' + i)), Type: datasource.ColumnUnknown})
		}
	}
	return columns
}

func (r *fakeRows) Next() ([]any, error) {
	if len(r.left) == 0 {
		return nil, io.EOF
	}
	row := r.left[0]
	r.left = r.left[1:]
	if row == nil {
		r.started <- struct{}{}
		<-r.ctx.Done()
		return nil, r.ctx.Err()
	}
	if err, failed := row[0].(error); failed {
		return nil, err
	}
	return row, nil
}

func (r *fakeRows) Close() error {
	r.closedRows.Add(1)
	return nil
}
