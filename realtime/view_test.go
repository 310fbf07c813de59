package realtime_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// viewing has topics "widget:<id>" that show run:<id> in words of their own.
func viewing(c *realtime.Config) {
	c.OnDemand = []string{"run"}
	c.Views = map[string]func(context.Context, realtime.Topic) (realtime.View, error){
		"widget": func(_ context.Context, t realtime.Topic) (realtime.View, error) {
			if t.ID == "3" {
				return realtime.View{}, problem.Missing("widget")
			}
			return realtime.View{
				Of: realtime.Topic{Kind: "run", ID: t.ID}, Types: []string{"shown", "panic"},
				Show: func(e realtime.PastEvent) (string, any) {
					if e.Type == "panic" {
						panic("in a view")
					}
					if string(e.Data) == `"no"` {
						return "", nil
					}
					return "widget." + e.Type, map[string]any{"of": e.Data}
				},
			}, nil
		},
	}
}

// A view has the events of another topic under their numbers, without those that it
// leaves out, from history and live; nothing of it is a gap.
func TestAViewShowsAnotherTopic(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		w := setup(t, bus(), viewing)
		w.allow("ann", "run:1", "widget:1")
		_, seq := w.watch(t, "ann", "run:1")
		for _, kind := range []string{"hidden", "shown", "hidden", "hidden"} {
			w.publish(t, "run:1", kind, 1)
		}
		late := w.enter(t, "ann")
		late.send(fmt.Sprintf(`{"id":"1","op":"subscribe","topic":"widget:1","since":%d}`, seq))
		if f := late.want("ok"); f.Topic != "widget:1" || f.Seq != seq {
			t.Errorf("got %+v", f)
		}
		if f := late.want("event"); f.Topic != "widget:1" || f.Type != "widget.shown" || f.Seq != seq+2 || string(f.Data) != `{"of":1}` {
			t.Errorf("got %+v", f)
		}
		w.publish(t, "run:1", "shown", "no")
		w.publish(t, "run:1", "shown", 2)
		if f := late.want("event"); f.Type != "widget.shown" || f.Seq != seq+6 || string(f.Data) != `{"of":2}` {
			t.Errorf("got %+v", f)
		}
		late.send(`{"id":"2","op":"unsubscribe","topic":"widget:1"}`)
		late.want("ok")
	})
}

func TestAViewThatIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, viewing)
	w.allow("ann", "run:1", "widget:1", "widget:3")
	s := w.enter(t, "ann")
	s.send(`{"id":"1","op":"subscribe","topic":"widget:3"}`)
	if f := s.want("error"); f.Code != "not_found" {
		t.Errorf("got %+v", f)
	}
	if _, err := w.Past(t.Context(), "widget:1", 0); !problem.Is(err, problem.Invalid) {
		t.Errorf("the history of a view: %v", err)
	}
	if err := w.Publish(t.Context(), "widget:1", "x", 1); !problem.Is(err, problem.Invalid) {
		t.Errorf("an event to a view: %v", err)
	}
}

// A panic in a view ends the connection that it is for, and nothing else.
func TestAViewThatPanics(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, viewing)
	w.allow("ann", "run:1", "widget:1", "widget:3")
	s := w.enter(t, "ann")
	s.send(`{"id":"1","op":"subscribe","topic":"widget:1"}`)
	s.want("ok")
	other, _ := w.watch(t, "ann", "run:1")
	w.publish(t, "run:1", "panic", 1)
	if f := other.want("event"); f.Type != "panic" {
		t.Errorf("got %+v", f)
	}
	if text, err := s.receiveText(); err == nil && !strings.Contains(string(text), "close") {
		t.Errorf("the connection goes on with %s", text)
	}
}
