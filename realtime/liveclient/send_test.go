package liveclient_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// echoing answers a send with what was sent.
func echoing(c *realtime.Config) {
	c.Inputs = map[string]func(context.Context, realtime.Input) (any, error){
		"run": func(_ context.Context, in realtime.Input) (any, error) {
			switch in.Type {
			case "refuse":
				return nil, problem.New(problem.Conflict, "wait_answered", "this has been answered already")
			case "silent":
				return nil, nil
			}
			return in.Data, nil
		},
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.end()
	w.begin(echoing)
	c := dial(t, w.server.URL, quick())
	var wg sync.WaitGroup
	for _, word := range []string{`"a"`, `"b"`, `"c"`, `"d"`} {
		wg.Go(func() {
			if said, err := c.Send(t.Context(), "run:1", "echo", strings.Trim(word, `"`)); err != nil || string(said) != word {
				t.Errorf("got %s %v, want %s", said, err, word)
			}
		})
	}
	wg.Wait()
	if said, err := c.Send(t.Context(), "run:1", "silent", nil); err != nil || said != nil {
		t.Errorf("got %s %v", said, err)
	}
	_, err := c.Send(t.Context(), "run:1", "refuse", nil)
	if e, ok := errors.AsType[*liveclient.RefusedError](err); !ok || e.Code != "wait_answered" {
		t.Errorf("got %v", err)
	}
	for kind, send := range map[problem.Kind]func() error{
		problem.Invalid:  func() error { _, err := c.Send(t.Context(), "run", "echo", nil); return err },
		problem.TooLarge: func() error { _, err := c.Send(t.Context(), "run:1", "echo", strings.Repeat("x", 256<<10)); return err },
	} {
		if err := send(); !problem.Is(err, kind) {
			t.Errorf("got %v, want %s", err, kind)
		}
	}
	if _, err := c.Send(t.Context(), "run:1", "echo", make(chan int)); !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
	c.Close()
	if _, err := c.Send(t.Context(), "run:1", "echo", nil); !errors.Is(err, liveclient.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// What was sent when the connection was lost may have been taken or not, and the
// caller is told so; what comes after waits for the next connection.
func TestSendOverALostConnection(t *testing.T) {
	t.Parallel()
	w := setup(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	w.end()
	w.begin(func(c *realtime.Config) {
		c.Inputs = map[string]func(context.Context, realtime.Input) (any, error){
			"run": func(ctx context.Context, _ realtime.Input) (any, error) {
				arrived <- struct{}{}
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil, ctx.Err()
			},
		}
	})
	c := dial(t, w.server.URL, quick())
	lost := make(chan error, 1)
	go func() {
		_, err := c.Send(t.Context(), "run:1", "echo", 1)
		lost <- err
	}()
	<-arrived
	w.end()
	w.begin(echoing)
	close(release)
	if err := <-lost; !problem.Is(err, problem.Unavailable) || problem.Of(err).Code != "answer_lost" {
		// The server may have refused it while it was stopped.
		if _, refused := errors.AsType[*liveclient.RefusedError](err); !refused {
			t.Errorf("got %v", err)
		}
	}
	if said, err := c.Send(t.Context(), "run:1", "echo", 2); err != nil || string(said) != "2" {
		t.Errorf("got %s %v", said, err)
	}
}
