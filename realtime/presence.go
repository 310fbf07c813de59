package realtime

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// presenceAge is how long a process that has died is taken to be there, and
// presenceRenewal how often one that lives says so.
const (
	presenceAge     = time.Minute
	presenceRenewal = presenceAge / 3

	presenceTellers  = 16          // topics that the bus is told of at a time
	presenceFarewell = time.Second // for telling that all are gone
)

// Roster is what a [Bus] has that knows who watches the topics in every process.
// What a process has told ends by itself after age.
type Roster interface {
	// Tell says who is there in this process from now on, and who is not any more.
	Tell(ctx context.Context, topic string, there, gone []string, age time.Duration) error

	// Present says who is there, in whatever process, in no order.
	Present(ctx context.Context, topic string) ([]string, error)
}

// presence tells the bus who watches. Watching waits for nothing: one goroutine
// carries what has changed.
type presence struct {
	kinds []string
	told  bool // there is somebody to tell
	wake  chan struct{}

	mu      sync.Mutex
	there   map[string]map[string]int  // by topic and actor: connections
	changed map[string]map[string]bool // by topic and actor: what the bus has not heard of
}

func newPresence(kinds []string, bus Bus) *presence {
	_, told := bus.(Roster)
	return &presence{kinds: kinds, told: told, wake: make(chan struct{}, 1), there: map[string]map[string]int{}, changed: map[string]map[string]bool{}}
}

// note counts a subscription of an actor in (1) or out (-1).
func (p *presence) note(topic Topic, actor string, by int) {
	if !slices.Contains(p.kinds, topic.Kind) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name := topic.String()
	if p.there[name] == nil {
		p.there[name] = map[string]int{}
	}
	before := p.there[name][actor]
	p.there[name][actor] = before + by
	if before+by == 0 {
		delete(p.there[name], actor)
	}
	if len(p.there[name]) == 0 {
		delete(p.there, name)
	}
	if p.told && (before == 0 || before+by == 0) {
		p.mark(name, actor)
		signal(p.wake)
	}
}

// mark makes the next round tell of an actor; p.mu is held.
func (p *presence) mark(topic, actor string) {
	if p.changed[topic] == nil {
		p.changed[topic] = map[string]bool{}
	}
	p.changed[topic][actor] = true
}

// news is what the bus has to hear, by topic; all of it when it has to be renewed.
func (p *presence) news(all bool) map[string]*[2][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all {
		for topic, actors := range p.there {
			for actor := range actors {
				p.mark(topic, actor)
			}
		}
	}
	news := map[string]*[2][]string{}
	for topic, actors := range p.changed {
		n := new([2][]string)
		for actor := range actors {
			i := 1
			if p.there[topic][actor] > 0 {
				i = 0
			}
			n[i] = append(n[i], actor)
		}
		news[topic] = n
	}
	clear(p.changed)
	return news
}

func (p *presence) again(topic string, actors []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, actor := range actors {
		p.mark(topic, actor)
	}
}

// tellPresence carries who is there to the bus until the hub stops.
func (h *Hub) tellPresence(roster Roster) {
	renew := time.NewTicker(presenceRenewal)
	defer renew.Stop()
	for {
		all := false
		select {
		case <-h.presence.wake:
		case <-renew.C:
			all = true
		case <-h.ctx.Done():
			return
		}
		h.tellAll(h.ctx, roster, all)
	}
}

// tellAll keeps what the bus did not take for the next time: after the first failure
// all that is left.
func (h *Hub) tellAll(ctx context.Context, roster Roster, all bool) {
	news := h.presence.news(all)
	telling, stop := context.WithTimeout(ctx, presenceRenewal)
	defer stop()
	group, telling := errgroup.WithContext(telling)
	group.SetLimit(presenceTellers)
	for topic, n := range news {
		group.Go(func() error {
			err := telling.Err()
			if err == nil {
				err = roster.Tell(telling, topic, n[0], n[1], presenceAge)
			}
			if err != nil {
				h.presence.again(topic, slices.Concat(n[0], n[1]))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		h.cfg.Logger.WarnContext(ctx, "realtime: tell who is present", "error", err)
	}
}

// Presence names who watches a topic of a kind in [Config].Presence now, in every
// process, in the form of [auth.Principal.Actor], each once, in order. A process
// that was killed is counted for a minute. Nobody is there in a topic of another
// kind. The error is Unavailable.
func (h *Hub) Presence(ctx context.Context, topic string) ([]string, error) {
	roster, ok := h.cfg.Bus.(Roster)
	if !ok {
		return h.presence.here(topic), nil
	}
	actors, err := roster.Present(ctx, topic)
	if err != nil {
		return nil, err
	}
	slices.Sort(actors)
	return slices.Compact(actors), nil
}

func (p *presence) here(topic string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	actors := make([]string, 0, len(p.there[topic]))
	for actor := range p.there[topic] {
		actors = append(actors, actor)
	}
	slices.Sort(actors)
	return actors
}
