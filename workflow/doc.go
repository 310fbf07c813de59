// Package workflow defines, publishes and runs graphs of nodes, durably.
//
// A [Workflow] has a draft and immutable published versions of a directed
// acyclic [Graph]. A [Run] is one execution of one version: editing, publishing
// or deleting the workflow never touches it.
//
// # How a run moves
//
// Every edge becomes taken or dead. A node is decided when its incoming edges
// are: it is then ready, or skipped when all of them are dead, and a skipped
// node's outgoing edges are dead. So no join can wait for a branch that was not
// taken, and a run ends when no node is open. The whole rule is the pure function
// in advance.go.
//
// # Why nothing is lost
//
// SQL is the truth; a [Queue] only carries hints.
//
//   - A row with status "ready" is the outbox: a dispatch is owed. Losing the
//     hint costs time (any process finds the row within a second), never the run.
//   - A hint names a tenant. Its next node is asked of the rows, locked and claimed
//     under a new token; a hint delivered twice finds another node, or none.
//   - A result is kept by one transaction that is fenced by that token, together
//     with the output, the decisions on the edges and the end of the run. A
//     worker that was paused and comes back changes nothing.
//   - Every process holds a lease row. The nodes of a process whose lease ran out
//     are made ready again by any other.
//
// A node may run more than once only when its process dies inside it. It gets a
// stable [Call.IdempotencyKey] to pass on.
package workflow
