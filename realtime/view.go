package realtime

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
)

// View is a topic that shows the events of another one, under their numbers. Its
// history, its gaps and its order are those of the other topic; who may see it is asked
// for itself ([Config].Authorize).
type View struct {
	Of Topic // whose events are shown

	// Show is an event as the view has it: its type, and its data, which are encoded as
	// JSON; "" leaves it out. It must be quick, may be called concurrently, and must
	// give the same for the same event.
	Show func(e PastEvent) (kind string, data any)
}

// view is what a subscription to a topic shows; nil = the topic itself.
func (h *Hub) view(ctx context.Context, inTenant *auth.Principal, t Topic) (*View, error) {
	of := h.cfg.Views[t.Kind]
	if of == nil {
		return nil, nil
	}
	var v View
	err := h.safely(ctx, func() (err error) {
		v, err = of(auth.NewContext(ctx, inTenant), t)
		return err
	})
	return &v, err
}

// shown is a message in the words of the view; its body is nil when it is left out.
func (v *View) shown(m Message) Message {
	e, err := m.past()
	if err != nil {
		return Message{Seq: m.Seq}
	}
	kind, data := v.Show(e)
	if kind == "" {
		return Message{Seq: m.Seq}
	}
	body, err := Event{Topic: v.Of.String(), Type: kind, Key: m.Key, Data: data}.encode(e.Time)
	if err != nil {
		return Message{Seq: m.Seq}
	}
	body.Seq = m.Seq
	return body
}
