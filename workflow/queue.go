package workflow

import "context"

// Queue carries hints that a node is ready from the process that made it ready
// to one that has room for it. It is allowed to lose, repeat, delay and reorder
// them: the row in the database decides, see the package documentation.
type Queue interface {
	// Dispatch hands over hints. An error means that some may not arrive; their
	// rows are then found by polling.
	Dispatch(ctx context.Context, hints []Hint) error

	// Serve delivers hints to r until ctx ends, then returns nil when nothing of
	// it runs any more.
	Serve(ctx context.Context, r Receiver) error
}

// Receiver is who takes hints from a [Queue]. Its methods may be called
// concurrently.
type Receiver interface {
	// Receive takes a hint. It blocks while the process has no room, and returns
	// as soon as the node is claimed, not when it has run.
	Receive(ctx context.Context, h Hint)

	// Lost says that hints which were accepted may be gone.
	Lost()

	// Down says whether the queue is out of reach. While it is, rows are polled.
	Down(down bool)
}

// Hint names a node of a run that is ready.
type Hint struct {
	TenantID string
	NodeID   string // the row in jet_run_node
}

func (n *nodeRow) hint() Hint { return Hint{TenantID: n.TenantID, NodeID: n.ID} }
