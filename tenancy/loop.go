package tenancy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// lookEvery is about how often a process looks for tenants that were deleted.
const lookEvery = 2 * time.Second

// background is what runs between [Service.Start] and [Service.Stop].
type background struct {
	loop  sync.WaitGroup
	leave context.CancelFunc
}

// Start begins to remove what deleted tenants have left, until [Service.Stop]. Of
// all processes that have started one at a time does it; what a process that has
// died began, another goes on with. It is called once.
func (s *Service) Start() {
	ctx, leave := context.WithCancel(context.Background())
	s.background = &background{leave: leave}
	s.background.loop.Go(func() { s.look(ctx) })
}

// Stop ends it. What is not removed yet waits for the next start.
func (s *Service) Stop() {
	if s.background != nil {
		s.background.leave()
		s.background.loop.Wait()
		s.background = nil
	}
}

// look is the loop.
func (s *Service) look(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.urgent:
		case <-time.After(lookEvery/2 + rand.N(lookEvery)):
		}
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			s.logger.Error("tenancy: remove what deleted tenants have left", "error", err)
		}
	}
}

func (s *Service) round(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil { // of the host's driver or store of files
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	var tenants []string
	err = s.db.NewRaw("SELECT id FROM ?schema.jet_tenant /* across tenants: what is to be erased */ WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id LIMIT ?", eraseTenants).Scan(ctx, &tenants)
	if err != nil || len(tenants) == 0 {
		return err
	}
	for _, tenantID := range tenants {
		s.part(tenantID)
	}
	return s.eraseAll(ctx, tenants)
}

// hurry has the loop look at once.
func (s *Service) hurry() {
	select {
	case s.urgent <- struct{}{}:
	default:
	}
}
