package realtime_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// What a client sends comes to whoever takes it, with the sender as he is in the
// tenant of the topic; what he may not send, and what nobody takes, is refused.
func TestInput(t *testing.T) {
	t.Parallel()
	taken := make(chan realtime.Input, 1)
	w := setup(t, nil, func(c *realtime.Config) {
		c.Inputs = map[string]func(context.Context, realtime.Input) (any, error){
			"run": func(ctx context.Context, in realtime.Input) (any, error) {
				switch who := auth.FromContext(ctx); {
				case who.UserID != "ann" || who.TenantID != "tenant":
					return nil, errors.New("another sender")
				case in.Type == "panic":
					panic("in a receiver")
				case in.Data == nil:
					return nil, problem.New(problem.Invalid, "empty", "there is nothing in it")
				}
				taken <- in
				return map[string]bool{"taken": true}, nil
			},
		}
	})
	s := w.enter(t, "ann")
	s.send(`{"id":"1","op":"send","topic":"run:1","type":"answer","data":{"approved":true}}`)
	if f := s.want("ok"); f.ID != "1" || f.Topic != "run:1" || string(f.Data) != `{"taken":true}` {
		t.Errorf("got %+v", f)
	}
	if in := <-taken; in.Topic.String() != "run:1" || in.Type != "answer" || string(in.Data) != `{"approved":true}` {
		t.Errorf("took %+v", in)
	}
	for frame, code := range map[string]string{
		`{"id":"1","op":"send","topic":"run:1","type":"answer"}`:            "empty",
		`{"id":"1","op":"send","topic":"run:1","type":"panic","data":1}`:    "internal",
		`{"id":"1","op":"send","topic":"run:1","data":1}`:                   "input_invalid",
		`{"id":"1","op":"send","topic":"run:9","type":"answer","data":1}`:   "not_found",
		`{"id":"1","op":"send","topic":"run","type":"answer","data":1}`:     "topic_invalid",
		`{"id":"1","op":"send","topic":"tenant:1","type":"x","data":1}`:     "input_not_accepted",
		`{"id":"1","op":"send","topic":"run:1","type":"a b","data":1}`:      "input_invalid",
		`{"id":"1","op":"send","topic":"run:1","type":"a","data":{"open":}`: "frame_invalid",
	} {
		s.send(frame)
		if f := s.want("error"); f.Code != code {
			t.Errorf("%s: got %+v, want %s", frame, f, code)
		}
	}
	w.signOut("ann")
	s.send(`{"id":"1","op":"send","topic":"run:1","type":"answer","data":1}`)
	s.wantClose(realtime.CloseUnauthenticated)
	if len(taken) != 0 {
		t.Error("it was taken all the same")
	}
}

// Who watches is known in every process, once for however many connections, until
// the last of them has gone.
func TestPresence(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		one := setup(t, bus(), present)
		one.allow("bob", "run:1", "tenant:1")
		here := func(w *world, want ...string) func() bool {
			return func() bool {
				got, err := w.Presence(t.Context(), "run:1")
				return err == nil && slices.Equal(got, want)
			}
		}
		ann, _ := one.watch(t, "ann", "run:1")
		again, _ := one.watch(t, "ann", "run:1")
		eventually(t, patience, "ann is there", here(one, "user:ann"))
		other, _ := one.watch(t, "bob", "run:1")
		one.watch(t, "bob", "tenant:1") // of a kind that is not asked for
		eventually(t, patience, "both are there", here(one, "user:ann", "user:bob"))
		if got, err := one.Presence(t.Context(), "tenant:1"); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		ann.close()
		eventually(t, patience, "one connection less", here(one, "user:ann", "user:bob"))
		again.send(`{"op":"unsubscribe","topic":"run:1"}`)
		again.want("ok")
		eventually(t, patience, "ann has gone", here(one, "user:bob"))
		other.close()
		eventually(t, patience, "all have gone", here(one))
	})
}

func present(c *realtime.Config) { c.Presence = []string{"run"} }

// Several processes: each knows the watchers of all, also when one has stopped.
func TestPresenceAcrossProcesses(t *testing.T) {
	t.Parallel()
	testdb.EachRedis(t, func(t *testing.T, rdb redis.UniversalClient, _ func(time.Duration)) {
		bus := onRedis(rdb)
		one, two := setup(t, bus(), present), setup(t, bus(), present)
		two.allow("bob", "run:1")
		one.watch(t, "ann", "run:1")
		two.watch(t, "bob", "run:1")
		for _, w := range []*world{one, two} {
			eventually(t, patience, "both are there", func() bool {
				got, err := w.Presence(t.Context(), "run:1")
				return err == nil && slices.Equal(got, []string{"user:ann", "user:bob"})
			})
		}
		if err := two.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := one.Presence(t.Context(), "run:1"); err != nil || !slices.Equal(got, []string{"user:ann"}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// The host hears of every subscription, and of its end however it ends.
func TestSubscriptionHooks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	note := func(what string) func(*auth.Principal, realtime.Topic) {
		return func(who *auth.Principal, topic realtime.Topic) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, what+" "+who.Actor()+" "+topic.String())
			if topic.ID == "2" {
				panic("in a hook")
			}
		}
	}
	w := setup(t, nil, func(c *realtime.Config) { c.Hooks = realtime.Hooks{Subscribed: note("+"), Unsubscribed: note("-")} })
	s, _ := w.watch(t, "ann", "run:1")
	s.send(`{"op":"subscribe","topic":"run:2","since":0}`)
	s.want("ok")
	s.send(`{"op":"subscribe","topic":"run:3"}`)
	s.want("error")
	w.forbid("ann", "run:1")
	s.want("error")
	s.close()
	want := []string{"+ user:ann run:1", "+ user:ann run:2", "- user:ann run:1", "- user:ann run:2"}
	eventually(t, patience, "all is heard", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(heard, want)
	})
}
