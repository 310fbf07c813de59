package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// pastChunk is how many events [Hub.Past] returns at the most.
const pastChunk = 200

// Past is what a topic's history holds, for whoever asks from time to time
// instead of holding a connection.
type Past struct {
	Events []PastEvent // oldest first
	Last   int64       // the position to ask on from
	Gap    bool        // some events before Last are not there: fetch the object
}

// PastEvent is an [Event] with its number in the topic.
type PastEvent struct {
	Seq  int64
	Type string
	Data json.RawMessage
	Time time.Time
}

// Past returns the events of a topic after a position, 0 = from the beginning, as
// a subscriber with that since would get them. Asking counts as watching: the
// topic's events are kept from then on, for as long as somebody asks. It checks
// no right. Errors: Invalid for a name that is none, and for a view; Unavailable.
func (h *Hub) Past(ctx context.Context, topic string, since int64) (Past, error) {
	t, err := ParseTopic(topic)
	if err != nil {
		return Past{}, err
	}
	if h.cfg.Views[t.Kind] != nil {
		return Past{}, errView
	}
	history, err := h.cfg.Bus.Read(ctx, topic, since, pastChunk)
	if err != nil {
		return Past{}, err
	}
	position, missing := history.resume(since, slices.Contains(h.cfg.OnDemand, t.Kind))
	p := Past{Events: []PastEvent{}, Last: position, Gap: missing != nil}
	for _, m := range history.Messages {
		if m.Seq <= p.Last {
			continue
		}
		p.Gap = p.Gap || m.Seq > p.Last+1 || m.Body == nil
		p.Last = m.Seq
		if m.Body == nil {
			continue
		}
		e, err := m.past()
		if err != nil {
			return Past{}, err
		}
		p.Events = append(p.Events, e)
	}
	if len(history.Messages) < pastChunk && p.Last < history.Last {
		p.Gap, p.Last = true, history.Last
	}
	return p, nil
}

func (m Message) past() (PastEvent, error) {
	e := PastEvent{Seq: m.Seq}
	if err := json.Unmarshal(append([]byte{'{'}, m.Body...), &e); err != nil {
		return e, problem.New(problem.Unavailable, "history_unreadable", "the history of the topic cannot be read").
			Because(fmt.Errorf("read an event: %w", err))
	}
	return e, nil
}
