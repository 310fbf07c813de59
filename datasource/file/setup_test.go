package file_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant  = "0190163d-8694-739b-aea5-966c26f8ad90"
	fileID  = "0190163d-8694-739b-aea5-966c26f8ad91"
	stuckID = "0190163d-8694-739b-aea5-966c26f8ad92"
)

// shelf is where the files of these tests are.
type shelf struct {
	mu      sync.Mutex
	files   map[string][]byte
	open    atomic.Int64 // files that are not closed yet
	reading atomic.Int64 // reads of the file that is stuck
}

func shelve(content []byte) *shelf { return &shelf{files: map[string][]byte{fileID: content}} }

func (s *shelf) Open(ctx context.Context, tenantID, id string) (file.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.files[id]
	if tenantID != tenant || !ok && id != stuckID {
		return nil, problem.Missing("file")
	}
	s.open.Add(1)
	return &opened{shelf: s, ctx: ctx, Reader: bytes.NewReader(content), stuck: id == stuckID}, nil
}

// opened is a file; one that is stuck never gives what is behind its first bytes.
type opened struct {
	*bytes.Reader
	shelf *shelf
	ctx   context.Context
	stuck bool
}

func (o *opened) Close() error { o.shelf.open.Add(-1); return nil }

func (o *opened) Size() int64 {
	if o.stuck {
		return 1 << 20
	}
	return o.Reader.Size()
}

func (o *opened) ReadAt(p []byte, off int64) (int, error) {
	if !o.stuck {
		return o.Reader.ReadAt(p, off)
	}
	o.shelf.reading.Add(1)
	defer o.shelf.reading.Add(-1)
	<-o.ctx.Done()
	return 0, o.ctx.Err()
}

func settings(values map[string]any) datasource.Settings {
	s := datasource.Settings{TenantID: tenant, Values: map[string]any{"file": fileID, "header": true, "encoding": "auto", "delimiter": "auto", "decimal": "."}}
	for name, v := range values {
		s.Values[name] = v
	}
	return s
}

// result is what a query came to.
type result struct {
	columns []datasource.Column
	rows    [][]any
}

func query(t testing.TB, c datasource.Connector, s datasource.Settings, operation string, params map[string]any) (result, error) {
	t.Helper()
	op, err := c.Parse(json.RawMessage(operation))
	if err != nil {
		return result{}, err
	}
	conn, err := c.Open(t.Context(), s)
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	rows, err := conn.Query(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 10_000, MaxBytes: 10 << 20})
	if err != nil {
		return result{}, err
	}
	defer rows.Close()
	r := result{columns: rows.Columns()}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		r.rows = append(r.rows, append([]any(nil), row...))
	}
}

func types(columns []datasource.Column) (out string) {
	for i, c := range columns {
		if i > 0 {
			out += " "
		}
		out += c.Name + ":" + string(c.Type)
	}
	return out
}

func opener(c file.Content) file.Open {
	return func(context.Context, string, string) (file.Content, error) { return c, nil }
}

// cancelled is case T92 for a storage that does not answer: the query ends with
// its context, and gives its place to others.
func cancelled(t *testing.T, s *shelf, c datasource.Connector, conn datasource.Conn) {
	t.Helper()
	op, err := c.Parse(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // more than may read at a time
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1})
			ended <- err
		}()
		for s.reading.Load() == 0 {
			if t.Context().Err() != nil {
				t.Fatal("the query never reads")
			}
			runtime.Gosched()
		}
		cancel()
		if err := <-ended; !problem.Is(err, problem.Timeout) {
			t.Fatalf("the cancelled query: %v", err)
		}
		if n := s.reading.Load(); n != 0 {
			t.Fatalf("%d reads go on", n)
		}
	}
}
