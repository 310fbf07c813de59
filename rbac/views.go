package rbac

import (
	"sync"
	"time"
)

// ViewNotedFor is how long the event of a view stands for those of the same caller and
// subject that follow.
const ViewNotedFor = 15 * time.Minute

// maxViews is how many views are remembered, some 300 bytes each. One more forgets all:
// they are noted again.
const maxViews = 1 << 12

// viewing is who views whom.
type viewing struct{ tenantID, actor, viewed string }

// views remembers which views are in the audit record already. It is safe for
// concurrent use.
type views struct {
	now func() time.Time

	mu    sync.Mutex
	noted map[viewing]time.Time
}

// has reports whether the event of a view stands.
func (vs *views) has(v viewing) bool {
	now := vs.now()
	vs.mu.Lock()
	defer vs.mu.Unlock()
	at, ok := vs.noted[v]
	return ok && now.Sub(at) < ViewNotedFor && !now.Before(at)
}

// note says that the event of a view is stored. Of two at a moment each may have one.
func (vs *views) note(v viewing) {
	now := vs.now()
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.noted == nil || len(vs.noted) >= maxViews {
		vs.noted = map[viewing]time.Time{}
	}
	vs.noted[v] = now
}
