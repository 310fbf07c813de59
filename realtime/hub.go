package realtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/jetadmin/jetadmin/problem"
)

// turnAway is how many connections over the limit are accepted for telling them
// so; a browser does not see the status of a refused upgrade.
const turnAway = 64

// Hub holds the connections of this process. It is safe for concurrent use.
type Hub struct {
	cfg     Config
	origins originPolicy
	quota   quota

	presence *presence

	ctx        context.Context // of all callbacks; ends when the hub has stopped
	cancel     context.CancelFunc
	background sync.WaitGroup
	conns      sync.WaitGroup
	stopped    chan struct{}

	mu       sync.Mutex
	state    hubState
	admitted int // connections, those in their handshake included
	clients  map[*client]struct{}
	rooms    map[string]*room
}

type hubState int

const (
	hubNew hubState = iota
	hubRunning
	hubStopping
)

// New makes a hub that refuses connections until it is started. It does no I/O.
// The error names the field of Config that is wrong.
func New(cfg Config) (*Hub, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	origins, err := newOriginPolicy(cfg.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	return &Hub{
		cfg: cfg, origins: origins, quota: quota{held: map[party]int{}}, presence: newPresence(cfg.Presence, cfg.Bus), stopped: make(chan struct{}),
		clients: map[*client]struct{}{}, rooms: map[string]*room{},
	}, nil
}

var errHubStopped = problem.New(problem.Unavailable, "realtime_stopped", "live events are not available: the server is stopping or has not started")

// Start begins to accept connections. Starting a running hub does nothing; a
// stopped one stays stopped, which is Unavailable. The hub lives on when ctx ends.
func (h *Hub) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.state {
	case hubRunning:
		return nil
	case hubStopping:
		return errHubStopped
	}
	if bus, ok := h.cfg.Bus.(Background); ok {
		if err := bus.Start(ctx); err != nil {
			return err
		}
	}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.state = hubRunning
	h.background.Go(h.recheckAll)
	if roster, ok := h.cfg.Bus.(Roster); ok && len(h.cfg.Presence) > 0 {
		h.background.Go(func() { h.tellPresence(roster) })
	}
	return nil
}

// Stop closes all connections with [CloseRestart] and sends what was published.
// When ctx ends before the clients have answered, they are cut off. It leaves no
// goroutine. Stopping a hub again waits for the first Stop.
func (h *Hub) Stop(ctx context.Context) error {
	h.mu.Lock()
	before := h.state
	h.state = hubStopping
	clients := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()

	switch before {
	case hubNew:
		close(h.stopped)
		return nil
	case hubStopping:
		select {
		case <-h.stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(h.stopped)
	for _, c := range clients {
		c.finish(CloseRestart, "the server restarts")
	}
	h.awaitClients(ctx, clients)
	h.cancel()
	h.background.Wait()
	if roster, ok := h.cfg.Bus.(Roster); ok {
		farewell, cancel := context.WithTimeout(ctx, presenceFarewell)
		h.tellAll(farewell, roster, false) // that all are gone
		cancel()
	}
	if bus, ok := h.cfg.Bus.(Background); ok {
		return bus.Stop(ctx)
	}
	return nil
}

func (h *Hub) awaitClients(ctx context.Context, clients []*client) {
	gone := make(chan struct{})
	go func() {
		h.conns.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	}
	h.cancel()
	for _, c := range clients {
		c.conn.drop()
	}
	<-gone
}

// Publish hands data on to everybody who is subscribed to the topic, in every
// process. kind is the [Event].Type. It does not wait for them.
//
// The error is Invalid or TooLarge for an event that cannot be sent, to a view too, and
// Unavailable when too many wait already. Events are news, not the truth: it is
// fine to log the error and go on.
func (h *Hub) Publish(ctx context.Context, topic, kind string, data any) error {
	return h.Emit(ctx, Event{Topic: topic, Type: kind, Data: data})
}

// Emit is [Hub.Publish] for an event with all its fields. It works before Start:
// then the events wait.
func (h *Hub) Emit(ctx context.Context, e Event) error {
	m, err := e.encode(h.cfg.Clock.Now())
	if err != nil {
		return err
	}
	if kind, _, _ := strings.Cut(e.Topic, ":"); h.cfg.Views[kind] != nil {
		return errView
	}
	return h.cfg.Bus.Publish(ctx, e.Topic, m)
}

// Wanted says of topics whether anybody may want their events, in whatever
// process: somebody watches, or may come back for what was missed. What was
// stored before the question was asked and is not wanted need not be published:
// who subscribes later finds it where it is stored. A bus that cannot tell wants
// everything.
func (h *Hub) Wanted(ctx context.Context, topics []string) []bool {
	if bus, ok := h.cfg.Bus.(Selective); ok {
		if wanted, err := bus.Wanted(ctx, topics); err == nil {
			return wanted
		}
	}
	all := make([]bool, len(topics))
	for i := range all {
		all[i] = true
	}
	return all
}

// admit counts a connection in, and reports whether it is one too many.
func (h *Hub) admit() (full bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != hubRunning {
		return false, errHubStopped
	}
	if h.admitted >= h.cfg.MaxConnections+turnAway {
		return false, problem.New(problem.Unavailable, "too_many_connections", tooMany)
	}
	h.admitted++
	h.conns.Add(1)
	return h.admitted > h.cfg.MaxConnections, nil
}

// release counts a connection out.
func (h *Hub) release(whose party) {
	h.quota.give(whose)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.admitted--
	h.conns.Done()
}

func (h *Hub) register(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = struct{}{}
	if h.state == hubStopping {
		c.finish(CloseRestart, "the server restarts")
	}
}

func (h *Hub) forget(c *client) {
	h.mu.Lock()
	delete(h.clients, c)
	h.mu.Unlock()
	h.release(c.party)
}

var errPanic = errors.New("panic in a callback")

// safely calls a function of the host: a panic in it is an Internal error.
func (h *Hub) safely(ctx context.Context, call func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			h.cfg.Logger.ErrorContext(ctx, "realtime: panic in a callback", "panic", fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", errPanic, fault)
		}
	}()
	return call()
}
