package workflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// errNotPrepared says that an attempt could not even begin, for want of the
// database: that is not the node's failure.
var errNotPrepared = errors.New("the attempt could not be prepared")

// isOutage reports whether an error says no more than that the database is away.
// A problem that somebody has put into words says more, whatever is behind it.
func isOutage(err error) bool { return problem.KindOf(err) == problem.Internal && store.IsOutage(err) }

// notPrepared says of an outage that the attempt is none. Any other error is the
// node's, or it would be handed back for ever.
func notPrepared(what string, err error) error {
	if isOutage(err) {
		return fmt.Errorf("%w: %s: %w", errNotPrepared, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// endure repeats what a node that has run still needs the database for, while that
// is away: to hand the node back would be to run it twice. The attempt's timeout
// bounds it. What is computed on has its attempt still before it and does not wait.
func (e *engine) endure(ctx context.Context, c *claim, do func() error) error {
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		err := do()
		if err == nil || c.computed || !isOutage(err) {
			return err
		}
		e.s.cfg.Logger.Warn("workflow engine: finish an attempt", "run", c.run.ID, "node", c.node.Key, "error", err)
		if !sleep(ctx, pause) {
			return err
		}
	}
}
