//go:build unix

package chaostest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/workflow"
)

type entryConfig struct {
	Saw  map[string]any `json:"saw,omitempty"`  // outputs of earlier nodes
	Hold bool           `json:"hold,omitempty"` // it takes until it is released
	Deaf bool           `json:"deaf,omitempty"` // and ignores its context
}

// nodes are the types that workers have: one that does everything right and keeps
// the ledger, and one that does something wrong.
func (o order) nodes(l *ledger) []workflow.Node {
	return []workflow.Node{
		workflow.NodeFunc(workflow.NodeSpec{Type: "entry"}, func(ctx context.Context, call *workflow.Call, c entryConfig) (any, error) {
			e := entry{
				RunID: call.RunID, Key: call.Key, IdempotencyKey: call.IdempotencyKey, Attempt: call.Attempt, Saw: c.Saw,
				Mark: fmt.Sprint(o.Name, ".", l.marks.Add(1)),
			}
			if err := l.write(e); err != nil {
				return nil, err
			}
			if err := o.take(ctx, c); err != nil {
				return nil, err
			}
			e.Done = true
			return e.Mark, l.write(e)
		}),
		workflow.NodeFunc(workflow.NodeSpec{Type: "evil"}, evil),
	}
}

// stored writes down whose result this worker has stored.
func (l *ledger) stored(_ context.Context, _, _ string, data any) {
	if n, ok := data.(workflow.NodeEvent); ok && n.Status == workflow.NodeSucceeded {
		_ = l.write(entry{RunID: n.RunID, Key: n.Key, Attempt: n.Attempt, Stored: true}) // without it, it counts as not stored
	}
}

// take lets time pass.
func (o order) take(ctx context.Context, c entryConfig) error {
	if !c.Hold {
		timer := time.NewTimer(rand.N(max(o.AtMost, 1)))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for !isReleased(o.Ledger, o.Name) {
		if ctx.Err() != nil && !c.Deaf {
			return ctx.Err()
		}
		<-time.After(5 * time.Millisecond)
	}
	return nil
}

// release lets the nodes that hold go on, in a worker, or "" in all of them.
func (s *scene) release(worker string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "release"+worker), nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func isReleased(dir, worker string) bool {
	for _, name := range []string{"release", "release" + worker} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

type evilConfig struct {
	How string `json:"how"`
}

type tree struct{ Child *tree }

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("ouch") }

// evil does what a node must not do.
func evil(_ context.Context, _ *workflow.Call, c evilConfig) (any, error) {
	switch c.How {
	case "panic":
		panic("ouch")
	case "panic late":
		return explosive{}, nil
	case "nil":
		var none struct{ m map[string]int }
		none.m["a"]++
	case "error":
		panic(errors.New("ouch"))
	case "exit":
		runtime.Goexit()
	case "port":
		return workflow.Result{Port: "nowhere"}, nil
	case "NaN":
		return math.NaN(), nil
	case "cycle":
		t := &tree{}
		t.Child = t
		return t, nil
	case "cycle of maps":
		m := map[string]any{}
		m["m"] = []any{m}
		return m, nil
	case "100 MB":
		return strings.Repeat("x", 100<<20), nil
	case "channel":
		return make(chan int), nil
	case "unforeseen":
		return nil, errors.New("password hunter2")
	}
	return c.How, nil
}
