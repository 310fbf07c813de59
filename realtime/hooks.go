package realtime

import "github.com/jetadmin/jetadmin/auth"

// Hooks hear of what happens in this process. They are called in order for a
// subscription, concurrently for several. They must return soon, and not stop the
// hub: the connection waits for them. A panic in one is logged.
type Hooks struct {
	// Subscribed and Unsubscribed hear of every subscription that begins and ends,
	// however it ends. who is the subscriber as he was when it began.
	Subscribed, Unsubscribed func(who *auth.Principal, topic Topic)
}

// begun and over tell of a subscription.
func (h *Hub) begun(s *subscription) {
	h.presence.note(s.topic, s.who.Actor(), 1)
	h.hear(h.cfg.Hooks.Subscribed, s)
}

func (h *Hub) over(s *subscription) {
	h.presence.note(s.topic, s.who.Actor(), -1)
	h.hear(h.cfg.Hooks.Unsubscribed, s)
}

func (h *Hub) hear(hook func(*auth.Principal, Topic), s *subscription) {
	if hook != nil {
		_ = h.safely(s.client.ctx, func() error { hook(s.who, s.topic); return nil }) // a panic is logged
	}
}
