package workflow_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// A caller has so many links; one more ends the oldest.
func TestLinksOfOneCallerAreBounded(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		run := b.run(t, b.publish(t, chain()), nil)
		var first, last workflow.WidgetLinkDetail
		for i := range 257 {
			link, err := b.Connect(b.ctx, workflow.NewWidgetLink{Widget: fmt.Sprint(i), Mode: workflow.LinkReplay, RunID: run.ID})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = link
			}
			last = link
		}
		if _, err := b.Link(b.ctx, first.ID); !problem.Is(err, problem.NotFound) {
			t.Errorf("the oldest: %v", err)
		}
		links, err := b.Links(b.ctx, "", page.Request{Limit: 1})
		if err != nil || links.Items[0].ID != last.ID {
			t.Errorf("got %+v %v", links, err)
		}
	})
}

// Of two refreshes at a time one finds the link, and one run is started.
func TestRefreshesAtATime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		flow := b.publish(t, chain())
		link, err := b.Connect(b.ctx, workflow.NewWidgetLink{Widget: "a", Mode: workflow.LinkExecute, WorkflowID: flow})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() { _, errs[i] = b.Refresh(b.ctx, link.ID, nil) })
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !problem.Is(err, problem.NotFound) {
				t.Errorf("got %v", err)
			}
		}
		runs, err := b.Runs(b.ctx, workflow.RunFilter{WorkflowID: flow}, page.Request{})
		if done != 1 || err != nil || len(runs.Items) != 2 {
			t.Errorf("%d refreshes, %d runs, %v", done, len(runs.Items), err)
		}
	})
}

// What a link cannot be made to, and what its context leaves out.
func TestLinksAndTheirRuns(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db)
		test, err := b.Test(b.ctx, workflow.TestParams{Graph: chain()})
		if err != nil {
			t.Fatal(err)
		}
		link, err := b.Connect(b.ctx, workflow.NewWidgetLink{Widget: "a", Mode: workflow.LinkSubscribe, RunID: test.ID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Refresh(b.ctx, link.ID, nil); problem.Of(err).Code != "link_to_test" {
			t.Errorf("a refresh of a test: %v", err)
		}
		if _, err := b.Connect(b.ctx, workflow.NewWidgetLink{Widget: "a\x00", Mode: "x"}); len(problem.Of(err).Faults) != 2 {
			t.Errorf("got %+v", problem.Of(err))
		}
		flow := b.publish(t, chain())
		for _, size := range []int{100, 9 << 10, 40 << 10} {
			run := b.run(t, flow, map[string]any{"text": strings.Repeat("x", size)})
			link, err := b.Connect(b.ctx, workflow.NewWidgetLink{Widget: "a", Mode: workflow.LinkReplay, RunID: run.ID})
			if err != nil {
				t.Fatal(err)
			}
			_, shown := link.Context.Nodes["start"]
			if large := size > 8<<10; shown == large || large != (len(link.Context.Omitted) > 0) {
				t.Errorf("%d bytes: nodes %d, omitted %v", size, len(link.Context.Nodes), link.Context.Omitted)
			}
		}
	})
}
