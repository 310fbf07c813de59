package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// basket keeps what it gets.
type basket struct {
	mu   sync.Mutex
	seqs []int64
	of   []string
}

func (k *basket) Write(_ context.Context, tenantID string, e audit.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seqs, k.of = append(k.seqs, e.Seq), append(k.of, tenantID)
	return nil
}

func TestSinksGetWhatWasCommitted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		kept := &basket{}
		angry := audit.SinkFunc(func(_ context.Context, _ string, e audit.Event) error {
			if e.Seq == 1 {
				panic("a sink of the host")
			}
			return errors.New("no")
		})
		var text bytes.Buffer
		b := setup(t, db, func(c *audit.Config) {
			c.Sinks = []audit.Sink{angry, kept, audit.SlogSink(slog.New(slog.NewTextHandler(&text, nil)))}
		})
		b.Start()
		b.fill(t, 2)
		refused := errors.New("refused")
		err := db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
			if err := b.Record(ctx, tx, audit.Entry{TenantID: b.tenant, Action: "query.delete"}); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		b.fill(t, 1)
		b.deny(t, "user:9", "query.delete") // Stop writes it down, and tells of it
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(kept.seqs) != 4 || kept.seqs[0] != 1 || kept.seqs[3] != 4 || kept.of[0] != b.tenant {
			t.Errorf("the sink got %v of %v", kept.seqs, kept.of)
		}
		if b.Missed() != 4 {
			t.Errorf("%d are missed, want those of the angry one", b.Missed())
		}
		if log := text.String(); strings.Count(log, "level=INFO") != 3 || strings.Count(log, "level=WARN") != 1 || strings.Contains(log, "query.delete\"") && !strings.Contains(log, "access.denied") {
			t.Errorf("logged %s", log)
		}
	})
}

// A sink that hangs holds up no change, and no stop for longer than it may take.
func TestSinkThatHangsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	entered, free := make(chan struct{}, 1), make(chan struct{})
	defer close(free)
	hanging := audit.SinkFunc(func(context.Context, string, audit.Event) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-free
		return nil
	})
	var log bytes.Buffer // written by who loses an event: this test
	b := setup(t, testdb.SQLite(t), func(c *audit.Config) {
		c.Sinks, c.Logger = []audit.Sink{hanging}, slog.New(slog.NewTextHandler(&log, nil))
	})
	b.Start()
	b.fill(t, 1)
	<-entered
	err := b.db.InTx(t.Context(), func(ctx context.Context, tx bun.IDB) error {
		for range audit.SinkQueue + 10 {
			if err := b.Record(ctx, tx, audit.Entry{TenantID: b.tenant, Action: "query.update"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.Missed() != 10 {
		t.Errorf("%d are missed, want 10", b.Missed())
	}
	if !strings.Contains(log.String(), "a sink has missed events") {
		t.Errorf("nobody is told of it: %s", log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
	if v := b.verify(t); !v.Valid || v.Events != audit.SinkQueue+11 {
		t.Errorf("%+v %+v", v, v.Broken)
	}
}
