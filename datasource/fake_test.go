package datasource_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jetadmin/jetadmin/datasource"
)

// fake is a host's own connector, of the type "fake": what its connections do is
// the word in the operation's text.
type fake struct {
	opens, closes atomic.Int64

	mu       sync.Mutex
	settings datasource.Settings // of the last Open
	failure  error               // what Open returns
	started  chan struct{}       // gets one for each "wait" that runs
}

func newFake() *fake { return &fake{started: make(chan struct{}, 100)} }

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

type word string

func (word) Placeholders() []string { return nil }

func (f *fake) Parse(operation json.RawMessage) (datasource.Operation, error) {
	var in struct{ Text string }
	err := json.Unmarshal(operation, &in)
	return word(in.Text), err
}

func (f *fake) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	f.opens.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings = s
	if f.failure != nil {
		f.closes.Add(1)
		return nil, f.failure
	}
	return &fakeConn{f}, nil
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
	password := c.last().Secret("password").Reveal()
	switch s.Operation.(word) {
	case "panic":
		panic("with " + password)
	case "fail":
		return nil, errors.New("dial fake://user:" + password + "@host")
	case "wait":
		c.started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	case "big":
		return datasource.BufferedRows([]datasource.Column{{Name: "v"}}, [][]any{{string(make([]byte, 6<<20))}, {string(make([]byte, 6<<20))}}), nil
	}
	return datasource.BufferedRows([]datasource.Column{{Name: "v"}}, [][]any{{"ok"}}), nil
}
