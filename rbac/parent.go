package rbac

import (
	"context"
	"sync"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// isPart reports whether a permission is about objects that are parts of others: a
// rule on a workflow is one on each of its runs.
func isPart(permission auth.Permission) bool { return permission.Resource() == "run" }

// parents knows the workflows of runs, which never change. It is safe for
// concurrent use.
type parents struct {
	find func(ctx context.Context, tenantID, runID string) (workflowID string, err error)

	mu    sync.Mutex
	known map[[2]string]string // by tenant and run
}

// maxParents is how many are remembered, some 200 bytes each.
const maxParents = 1 << 14

// of is "" for what is not there.
func (ps *parents) of(ctx context.Context, tenantID, runID string) (string, error) {
	if !id.Valid(runID) {
		return "", nil
	}
	key := [2]string{tenantID, runID}
	ps.mu.Lock()
	parentID, ok := ps.known[key]
	ps.mu.Unlock()
	if ok {
		return parentID, nil
	}
	parentID, err := ps.find(ctx, tenantID, runID)
	if err != nil || parentID == "" {
		return "", err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.known == nil || len(ps.known) >= maxParents {
		ps.known = map[[2]string]string{}
	}
	ps.known[key] = parentID
	return parentID, nil
}
