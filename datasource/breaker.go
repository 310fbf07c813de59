package datasource

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// CodeBusy is the code of an Upstream error that says: the datasource is there,
// and has no time. An Upstream error of a connector says that there is no connection,
// unless its code is this one or another of [answered].
const CodeBusy = "database_busy"

const (
	breakerFailures = 5 // in a row, until a datasource is left alone
	breakerPause    = 5 * time.Second
	breakerMaxPause = time.Minute
	maxBreakers     = 10_000
)

// breakers keep callers from waiting for datasources that cannot be reached, and
// those from being asked more than they can bear. After some failures in a row
// nobody connects for a while; then one caller tries, and the others go on when
// he succeeds.
type breakers struct {
	pause   time.Duration
	changed func(id string, s State) // hears of each that opens or closes

	mu   sync.Mutex
	byID map[string]*breaker // of those that failed last
}

type breaker struct {
	version  int // of the datasource
	failures int
	pause    time.Duration // the present one; 0 = closed
	until    time.Time
	probing  bool
	told     bool // whoever watches knows that it is left alone
}

func newBreakers(changed func(id string, s State)) *breakers {
	return &breakers{pause: breakerPause, changed: changed, byID: map[string]*breaker{}}
}

// admit is nil when the datasource may be connected to now; then note has to be
// called.
func (bs *breakers) admit(ds *datasourceRow) error {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byID[ds.ID]
	if b == nil || b.version != ds.Version || b.pause == 0 {
		return nil
	}
	left := time.Until(b.until)
	if left <= 0 && !b.probing {
		b.probing = true
		return nil
	}
	e := problem.Newf(problem.Unavailable, "datasource_unreachable", "the datasource could not be connected to %d times in a row, it is left alone for a moment", b.failures).
		Fix("test the connection of the datasource, or try again later")
	e.RetryAfter = max(left, time.Second)
	return e
}

// note takes down how an admitted call ended.
func (bs *breakers) note(ds *datasourceRow, is reach) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byID[ds.ID]
	var news *State
	switch {
	case b != nil && b.version > ds.Version: // of settings that are not used any more
	case is == reached:
		news = bs.close(ds.ID)
	case is == unreached:
		news = bs.fail(ds, b)
	case b != nil:
		b.probing = false
	}
	bs.tell(ds.ID, news)
}

// fail counts a failure; bs.mu is held. It returns the state when that is another now.
func (bs *breakers) fail(ds *datasourceRow, b *breaker) *State {
	if b == nil || b.version != ds.Version {
		if len(bs.byID) >= maxBreakers {
			clear(bs.byID)
		}
		b = &breaker{version: ds.Version, told: b != nil && b.told}
		bs.byID[ds.ID] = b
	}
	b.failures++
	switch {
	case b.failures < breakerFailures:
		return nil
	case b.pause == 0:
		b.pause = bs.pause
	case b.probing:
		b.pause = min(2*b.pause, breakerMaxPause)
	default: // it began before the pause
		return nil
	}
	until := time.Now().Add(b.pause)
	b.probing, b.until, b.told = false, until, true
	return &State{Until: &until}
}

// close lets everybody connect; bs.mu is held. It returns the state when that is
// another now.
func (bs *breakers) close(id string) *State {
	b := bs.byID[id]
	delete(bs.byID, id)
	if b == nil || !b.told {
		return nil
	}
	return &State{Reachable: true}
}

// reached says that somebody has connected: everybody may.
func (bs *breakers) reached(id string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.tell(id, bs.close(id))
}

// reset lets everybody connect again to a datasource that was changed. Whether it can be
// reached is not known.
func (bs *breakers) reset(id string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.byID[id]; b != nil && b.told {
		*b = breaker{version: b.version, told: true}
		return
	}
	delete(bs.byID, id)
}

// drop forgets a datasource that is no more.
func (bs *breakers) drop(id string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.byID, id)
}

// tell publishes news, while bs.mu is held, so that they come in their order. There are
// some only when a datasource goes or comes back.
func (bs *breakers) tell(id string, news *State) {
	if news != nil {
		news.ID = id
		bs.changed(id, *news)
	}
}

// reach says what a call tells about the connection.
type reach int

const (
	unknown reach = iota // nothing: its caller left, or it never got so far
	reached
	unreached
)

func reachOf(ctx context.Context, err error) reach {
	if err == nil {
		return reached
	}
	if cause := context.Cause(ctx); cause != nil && problem.Is(cause, problem.Timeout) && unconnected(err) {
		return unreached // the time of the call was shorter than that of connecting
	}
	if context.Cause(ctx) != nil || errors.Is(err, errPanicked) {
		return unknown
	}
	if refusedBy(err) != nil {
		return reached
	}
	p, ok := errors.AsType[*problem.Error](err)
	switch {
	case ok && answered(p.Code):
		return reached
	case !ok || p.Kind == problem.Upstream:
		return unreached
	}
	return unknown
}

// unconnected reports whether a call ended while it still waited for a connection.
func unconnected(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" || errors.Is(err, errOpening)
}

// answered reports whether an error says that the other side has answered, if only
// with something that is of no use.
func answered(code string) bool {
	switch code {
	case CodeBusy, "answer_not_graphql", "answer_not_json", "api_busy", "credentials_refused", "file_missing", "file_unsound", "function_failed",
		"ping_refused", "redirect_refused", "response_too_large", "token_invalid", "token_refused", "too_many_redirects":
		return true
	}
	return false
}
