package workflow_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/workflow"
)

// failing is a workflow whose runs fail and have a failure handler.
func (b *bundle) failing(t *testing.T) (failing, handler string) {
	t.Helper()
	handler = b.publish(t, chain())
	return b.publish(t, with(chain(step("pay", "refuse", nil)), workflow.Settings{OnFailure: handler})), handler
}

// beside is the same service for another tenant.
func (b *bundle) beside(t *testing.T) *bundle {
	other := *b
	other.tenant = newTenant(t, b.db)
	other.ctx = as(other.tenant, "*")
	return &other
}

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if has(parts...)(line) {
			return true
		}
	}
	return false
}

func (l *logged) into(c *workflow.Config) { c.Logger = slog.New(slog.NewTextHandler(l, nil)) }

// Handlers that the database does not take are put off and given up. Those of
// another tenant do not wait for them.
func TestHandlersThatCannotBeStoredAreGivenUp(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
		var theirs atomic.Pointer[string]
		var refused atomic.Int32
		var log logged
		db := open(&line{spoil: func(query string) bool {
			w := theirs.Load()
			if w == nil || !has("INSERT INTO", "jet_run AS r ", *w, "failure/")(query) {
				return false
			}
			refused.Add(1)
			return true
		}})
		b := setup(t, db, log.into, withNodes(refuse()), func(c *workflow.Config) { c.Slots = 16 })
		bad, handler := b.failing(t)
		theirs.Store(&handler)
		var last string
		for range 120 {
			r, err := b.Start(b.ctx, workflow.StartParams{WorkflowID: bad})
			if err != nil {
				t.Fatal(err)
			}
			last = r.ID
		}
		for _, r := range b.runsOf(t, bad) {
			b.wait(t, r.ID)
		}
		other := b.beside(t)
		good, handled := other.failing(t)
		other.run(t, good, nil)
		eventually(t, func() bool { return len(other.runsOf(t, handled)) == 1 })
		eventually(t, func() bool { return refused.Load() >= 120 })
		err := db.InTx(b.ctx, func(ctx context.Context, tx bun.IDB) error { // nine tries later
			_, err := tx.NewRaw("UPDATE ?schema.jet_run SET handler_tries = 9, handler_at = NULL WHERE tenant_id = ? AND id = ?", b.tenant, last).Exec(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return log.has("level=ERROR", "a failure has no handler", last) })
		eventually(t, func() bool { // the log is written before the commit
			var owed int
			err := db.NewRaw("SELECT count(*) FROM ?schema.jet_run WHERE tenant_id = ? AND on_failure IS NOT NULL AND handler_tries > 0", b.tenant).Scan(b.ctx, &owed)
			return err == nil && owed == 119
		})
	})
}

// A tenant whose old runs cannot be deleted keeps nobody else's.
func TestRetentionGoesOnBehindATenantThatFails(t *testing.T) {
	t.Parallel()
	eachLine(t, func(t *testing.T, open func(*line) *store.DB) {
		var ahead atomic.Bool
		var first string
		var log logged
		db := open(&line{spoil: func(query string) bool { return ahead.Load() && has("DELETE FROM", "jet_run ", first)(query) }})
		b := setup(t, db, log.into, func(c *workflow.Config) {
			c.Clock = func() time.Time {
				if ahead.Load() {
					return clock.Clock(nil).Now().Add(31 * 24 * time.Hour)
				}
				return clock.Clock(nil).Now()
			}
		})
		first = b.tenant // ids sort by time
		other := b.beside(t)
		b.run(t, b.publish(t, chain()), nil)
		other.run(t, other.publish(t, chain()), nil)
		ahead.Store(true)
		if err := b.ForgetRuns(t.Context()); err == nil {
			t.Error("the failure is not reported")
		}
		if here, there := count(t, b, "jet_run"), count(t, other, "jet_run"); here != 1 || there != 0 {
			t.Errorf("%d runs of the tenant that fails, %d of the other", here, there)
		}
		if !log.has("delete old runs", first) {
			t.Error("the failure is not logged")
		}
	})
}
