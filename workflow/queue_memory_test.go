package workflow_test

import (
	"context"
	"testing"

	"github.com/jetadmin/jetadmin/workflow"
)

// taker takes hints one at a time, when the test says so.
type taker struct {
	workflow.Receiver
	took chan workflow.Hint
}

func (r taker) Receive(ctx context.Context, h workflow.Hint) {
	select {
	case r.took <- h:
	case <-ctx.Done():
	}
}

// A tenant with a full queue holds up another by its turn only, and takes no
// room from it.
func TestTheMemoryQueueServesTenantsInTurn(t *testing.T) {
	t.Parallel()
	q := workflow.NewMemoryQueue()
	flood := make([]workflow.Hint, 50_000)
	for i := range flood {
		flood[i] = workflow.Hint{TenantID: "a", NodeID: itoa(i)}
	}
	if err := q.Dispatch(t.Context(), flood); err == nil {
		t.Error("a tenant may fill the queue without end")
	}
	for i := range 3 {
		if err := q.Dispatch(t.Context(), []workflow.Hint{{TenantID: "b", NodeID: itoa(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	r := taker{took: make(chan workflow.Hint)}
	served := make(chan error)
	go func() { served <- q.Serve(ctx, r) }()
	found := 0
	for i := 0; found < 3; i++ {
		if h := <-r.took; h.TenantID == "b" {
			found++
		}
		if i > 50 {
			t.Fatalf("%d of 3 hints of the other tenant came among the first %d", found, i)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
