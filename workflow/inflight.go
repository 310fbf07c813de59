package workflow

import (
	"context"
	"sync"
	"time"
)

// inFlight knows the claims of this process by their tokens. A token is held
// from before the database knows it until nobody works under it any more, so
// that what the database takes for running here and is not held is nobody's.
type inFlight struct {
	mu       sync.Mutex
	claims   map[string]*attempt
	stopping bool
}

// attempt is what happens under a token. The zero value is a claim that has no
// attempt yet, or none any more.
type attempt struct {
	runID  string
	since  time.Time
	cancel context.CancelCauseFunc
}

func (f *inFlight) hold(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.claims == nil {
		f.claims = make(map[string]*attempt)
	}
	if f.claims[token] == nil {
		f.claims[token] = &attempt{}
	}
}

func (f *inFlight) release(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.claims, token)
}

func (f *inFlight) holds(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claims[token] != nil
}

// begin notes an attempt under a token that is held; the function it returns
// ends it.
func (f *inFlight) begin(token, runID string, cancel context.CancelCauseFunc) (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping {
		cancel(errStopping)
	}
	a := f.claims[token]
	*a = attempt{runID: runID, since: time.Now(), cancel: cancel}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		*a = attempt{}
	}
}

// olderThan lists the tokens whose attempt has taken at least d so far.
func (f *inFlight) olderThan(d time.Duration) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var tokens []string
	for token, a := range f.claims {
		if a.cancel != nil && time.Since(a.since) >= d {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// cancel ends the attempt under a token, if there is one.
func (f *inFlight) cancel(token string, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.claims[token]; a != nil && a.cancel != nil {
		a.cancel(cause)
	}
}

func (f *inFlight) cancelRun(runID string, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.claims {
		if a.runID == runID {
			a.cancel(cause)
		}
	}
}

// stop ends every attempt, and those that are still to begin.
func (f *inFlight) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopping = true
	for _, a := range f.claims {
		if a.cancel != nil {
			a.cancel(errStopping)
		}
	}
}

// restart lets attempts begin again.
func (f *inFlight) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopping = false
}
