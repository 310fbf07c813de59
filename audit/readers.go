package audit

import (
	"context"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// maxReaders is how often a caller can go through the whole record of a tenant at a time
// in a process: each time holds some thousand events.
const maxReaders = 2

// How often the record of a tenant is gone through: so many times at once, then once
// per pause.
const (
	walkBurst = 20
	walkPause = 6 * time.Second
)

// enter counts a caller in who is about to go through the whole record of a tenant, and
// who leaves. RateLimited says that he does so too often, or that it is done too often
// in the tenant.
func (l *Log) enter(ctx context.Context, tenantID string) (leave func(), err error) {
	leave, err = l.readers.enter(reader{tenantID, l.actor(ctx).Name})
	if err != nil || l.walks == nil {
		return leave, err
	}
	if err := l.walks.Take(ctx, tenantID, l.clock.Now()); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// readers bound those who go through a whole record. One takes nothing from another.
type readers struct {
	mu   sync.Mutex
	held map[reader]int
}

type reader struct{ tenantID, actor string }

// enter counts a reader in, who leaves. RateLimited says that he is there too often.
func (r *readers) enter(who reader) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[who] >= maxReaders {
		return nil, problem.Newf(problem.RateLimited, "too_many_readers", "you have %d exports or checks of the audit record under way already", maxReaders).
			Fix("wait for one of them to end")
	}
	if r.held == nil {
		r.held = map[reader]int{}
	}
	r.held[who]++
	return func() { r.leave(who) }, nil
}

func (r *readers) leave(who reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[who]--; r.held[who] == 0 {
		delete(r.held, who)
	}
}
