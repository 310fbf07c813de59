package realtime

import (
	"bytes"
	"context"
	"slices"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// viewCost is how many bytes a view adds to an event, roughly.
const viewCost = 512

// View is a topic that shows the events of another one, under their numbers. Its
// history, its gaps and its order are those of the other topic; who may see it is asked
// for itself ([Config].Authorize).
type View struct {
	Of    Topic    // whose events are shown
	Types []string // of the events that are; others are left out

	// Show is an event as the view has it: its type, and its data, which are encoded as
	// JSON; "" leaves it out. It is called when the event is written to a connection, on
	// which the next ones wait for it, and may be called concurrently.
	Show func(e PastEvent) (kind string, data any)
}

// errView is for who takes a view for a topic with events of its own.
var errView = problem.New(problem.Invalid, "topic_is_view", "the topic shows the events of another one").Fix("use that one")

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

// leavesOut reports whether a message is of a type that the view does not show; a nil
// view shows all.
func (v *View) leavesOut(m Message) bool { return v != nil && !slices.Contains(v.Types, m.kind()) }

// kind is the type of the event, which its body begins with.
func (m Message) kind() string {
	rest, _ := bytes.CutPrefix(m.Body, []byte(`"type":"`))
	kind, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(kind)
}

// frame is a message in the words of the view; nil when it is left out.
func (v *View) frame(p protocol, topic string, m Message) []byte {
	e, err := m.past()
	if err != nil {
		return nil
	}
	kind, data := v.Show(e)
	if kind == "" {
		return nil
	}
	shown, err := Event{Topic: topic, Type: kind, Data: data}.encode(e.Time)
	if err != nil {
		return nil
	}
	shown.Seq = m.Seq
	return p.event(topic, shown)
}
