package workflow

import "context"

// Queue tells other processes that a tenant has nodes that are ready, when the
// process that made them so has no room for them. It is allowed to lose, repeat,
// delay and reorder what it is told: the rows in the database decide, and every
// process looks at them once a second in any case.
type Queue interface {
	// Dispatch hands over hints. An error means that some may not arrive.
	Dispatch(ctx context.Context, hints []Hint) error

	// Serve delivers hints to r until ctx ends, then returns nil when nothing of
	// it runs any more.
	Serve(ctx context.Context, r Receiver) error
}

// Receiver is who takes hints from a [Queue]. Its methods may be called
// concurrently.
type Receiver interface {
	// Receive takes a hint. While the process has no room it blocks, for a second
	// at most, so that others who have room get the next.
	Receive(ctx context.Context, h Hint)

	// Down says whether the queue is out of reach. While it is, rows are looked at
	// more often.
	Down(down bool)
}

// Hint says that a tenant has nodes that are ready. Which of them is next is
// asked of the database, by whoever has room for one.
type Hint struct {
	TenantID string
	Nodes    int // about how many
}

// alone is the queue of a process that runs nodes by itself: there is nobody to
// be told.
type alone struct{}

func (alone) Dispatch(context.Context, []Hint) error { return nil }

func (alone) Serve(ctx context.Context, _ Receiver) error {
	<-ctx.Done()
	return nil
}
