package workflow_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// finicky are the hooks of a host that fail while a node begins to wait.
type finicky struct {
	err   atomic.Pointer[error] // nil = they do not
	asked atomic.Int32          // how often, while they fail
}

func (f *finicky) fail(err error) { f.err.Store(&err) }

func (f *finicky) ask() error {
	if err := f.err.Load(); err != nil {
		f.asked.Add(1)
		return *err
	}
	return nil
}

func (f *finicky) hooks(c *workflow.Config) {
	c.Assignees = func(_ context.Context, a workflow.Assignees) (workflow.Assignees, error) { return a, f.ask() }
	c.Hooks.BeforeStart = func(_ context.Context, p workflow.StartParams) error {
		if p.Input["inner"] != true {
			return nil
		}
		return f.ask()
	}
}

// waiting are graphs whose first node needs a hook of the host for its wait.
func (f *finicky) waiting(t *testing.T, b *bundle) map[string]workflow.Graph {
	return map[string]workflow.Graph{
		"assignees": forked(step("work", "approval", map[string]any{"title": "Pay?", "users": []any{"ann"}}), "approved", "rejected", "expired"),
		"sub-workflow": chain(step("work", "subWorkflow", map[string]any{
			"workflowId": b.publish(t, chain()), "input": map[string]any{"inner": true}})),
	}
}

// What a hook of the host says is the node's error: it is tried again as its
// policy says, and then fails.
func TestAHookThatFailsFailsTheNode(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct {
			err   error
			asked int32
			code  string
		}{
			{errors.New("the directory is not there"), 2, "node_failed"},
			{problem.New(problem.Upstream, "directory_away", "the directory is away").Because(&net.OpError{Op: "dial", Err: errors.New("refused")}), 2, "directory_away"},
			{problem.New(problem.Forbidden, "not_on_sunday", "not on a Sunday"), 1, "not_on_sunday"},
		} {
			var f finicky
			b := setup(t, db, f.hooks)
			for name, g := range f.waiting(t, b) {
				f.err.Store(nil)
				g.Nodes[1].Policy = &workflow.Policy{Retry: &workflow.Retry{Max: 1, Delay: workflow.Duration(time.Millisecond)}}
				w := b.publish(t, g)
				f.asked.Store(0)
				f.fail(c.err)
				d := b.run(t, w, nil)
				if d.Status != workflow.RunFailed || d.Error.Node != "work" || d.Error.Code != c.code || f.asked.Load() != c.asked {
					t.Errorf("%s: %s after %d calls of the hook: %+v", name, d.Status, f.asked.Load(), d.Error)
				}
			}
		}
	})
}

// While the database is away a node that has run is not run again. Its timeout
// bounds that.
func TestANodeThatHasRunEnduresAnOutage(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		var f finicky
		b := setup(t, db, f.hooks)
		for name, g := range f.waiting(t, b) {
			g.Nodes[1].Policy = &workflow.Policy{Timeout: workflow.Duration(time.Second)}
			for _, ends := range []bool{true, false} {
				f.err.Store(nil)
				w := b.publish(t, g)
				f.asked.Store(0)
				f.fail(&net.OpError{Op: "dial", Err: errors.New("refused")})
				r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: w})
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, func() bool { return f.asked.Load() > 2 })
				if !ends {
					if d := b.wait(t, r.ID); d.Status != workflow.RunFailed || d.Error.Code != "node_timeout" {
						t.Errorf("%s: %s: %+v", name, d.Status, d.Error)
					}
					continue
				}
				f.err.Store(nil)
				eventually(t, func() bool {
					n, err := b.RunNode(b.ctx, r.ID, "work")
					return err == nil && n.Attempt == 1 && (n.Status == workflow.NodeWaiting || n.Status == workflow.NodeSucceeded)
				})
			}
		}
	})
}
