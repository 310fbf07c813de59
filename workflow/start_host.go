package workflow

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// patient bounds a start that waits for the database. A caller inside a
// transaction of its own may hold the very lock or connection that it waits for,
// and neither would ever go on; meanwhile nothing renews the lease, so half of one
// is all there is. done turns the error of the start into what the caller is told.
func (s *Service) patient(ctx context.Context) (_ context.Context, done func(error) error) {
	outer, patience := ctx, s.cfg.Lease/2
	ctx, cancel := context.WithTimeout(ctx, patience)
	return ctx, func(err error) error {
		late := ctx.Err() != nil && outer.Err() == nil
		cancel()
		if err == nil || !late {
			return err
		}
		e := problem.New(problem.Unavailable, "start_timeout", "the database did not take the run in time").
			Fix("try again; inside a transaction of your own, use StartTx").Because(err)
		e.RetryAfter = time.Second
		return e
	}
}

func errNoTx() error {
	return problem.New(problem.Invalid, "tx_missing", "there is no transaction to start the run in").
		Fix("hand in the transaction, or use Start")
}

// refuseReplacing keeps a run that may have to take the place of another out of a
// host's transaction. Whoever works on that other one would neither be told nor be
// able to store a result before the commit, which nobody here hears of.
func (b *beginning) refuseReplacing() error {
	if b.run.SlotKey == nil || b.plan.graph.settings().Concurrency.Policy != ConcurrencyCancelOldest {
		return nil
	}
	return problem.New(problem.Conflict, "cancel_oldest_in_tx", "a workflow that cancels its oldest run cannot be started inside a transaction").
		Fix("use Start after the commit, or the policy queue")
}

// ofHostTx tells faults of the host's transaction from those of the start.
func ofHostTx(err error) error {
	switch {
	case errors.Is(err, sql.ErrTxDone):
		return problem.New(problem.Invalid, "tx_ended", "the transaction was committed or rolled back before").
			Fix("start the run before the transaction ends, or use Start").Because(err)
	case store.IsNoTable(err):
		return problem.New(problem.Invalid, "tx_of_another_database", "the transaction is of a database without the tables of workflows").
			Fix("begin it on the pool of Config.DB").Because(err)
	}
	return err
}
