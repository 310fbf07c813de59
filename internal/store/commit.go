package store

import "context"

type commitKey struct{}

// commits are what waits for the end of a transaction.
type commits struct{ waiting []func() }

func (c *commits) run() {
	for _, f := range c.waiting {
		f()
	}
}

// AfterCommit has f called when the transaction of [DB.InTx] that ctx is of is
// committed, and never when it is not. Outside of one, f is called at once. f must
// be quick and must not use the database.
func AfterCommit(ctx context.Context, f func()) {
	c, ok := ctx.Value(commitKey{}).(*commits)
	if !ok {
		f()
		return
	}
	c.waiting = append(c.waiting, f)
}
