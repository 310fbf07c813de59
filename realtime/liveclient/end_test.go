package liveclient_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// closer is a server that lets everybody in and ends each connection with a code.
func closer(t *testing.T, code realtime.CloseCode) (url string, made chan struct{}) {
	t.Helper()
	made = make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made <- struct{}{}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		if _, _, err := ws.Read(r.Context()); err == nil {
			err = ws.Write(r.Context(), websocket.MessageText, []byte(`{"id":"hello","op":"ok"}`))
			if err == nil && code != 0 {
				_ = ws.Close(websocket.StatusCode(code), "")
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, made
}

// What a client does is what the table of package realtime says.
func TestEveryCloseCodeHasItsConsequence(t *testing.T) {
	t.Parallel()
	for code, stops := range map[realtime.CloseCode]problem.Kind{
		0: "", 1000: "", 1001: "", 1011: "", // lost, and what a proxy may say
		1002:                          problem.Invalid,
		realtime.CloseBinary:          problem.Invalid,
		realtime.CloseTooLarge:        problem.TooLarge,
		realtime.CloseRestart:         "",
		realtime.CloseTryLater:        "",
		realtime.CloseUnfinished:      "",
		realtime.CloseUnauthenticated: problem.Unauthenticated,
		liveclient.CloseForbidden:     problem.Forbidden,
		realtime.CloseSlow:            "",
		realtime.CloseTopics:          problem.TooLarge,
		realtime.CloseRate:            "",
		realtime.CloseFull:            "",
	} {
		url, made := closer(t, code)
		c := dial(t, url, quick())
		if stops == "" {
			for range 4 {
				select {
				case <-made:
				case <-time.After(patience):
					t.Fatalf("%d: it does not connect again", code)
				}
			}
			c.Close()
			if err := c.end(); !errors.Is(err, liveclient.ErrClosed) {
				t.Errorf("%d: %v", code, err)
			}
			continue
		}
		err := c.end()
		if end, ok := errors.AsType[*liveclient.CloseError](err); !problem.Is(err, stops) || !ok || end.Code != code || problem.Of(err).Remedy == "" {
			t.Errorf("%d: %v", code, err)
		}
		if len(made) != 1 {
			t.Errorf("%d: %d connections", code, len(made))
		}
	}
}

func TestWhatIsNoServerOfLiveEvents(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the client went elsewhere, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	for status, want := range map[int]problem.Kind{
		200: problem.Invalid, 302: problem.Invalid, 400: problem.Invalid, 401: problem.Unauthenticated, 403: problem.Forbidden,
		404: problem.Invalid, 429: problem.Unavailable, 502: problem.Unavailable, 503: problem.Unavailable,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"code":"why","detail":"because"}`))
		}))
		t.Cleanup(server.Close)
		_, err := liveclient.Dial(t.Context(), server.URL, liveclient.Options{Header: http.Header{"Authorization": {"Bearer x"}}})
		e, ok := errors.AsType[*liveclient.StatusError](err)
		if !problem.Is(err, want) || !ok || e.Status != status || e.Code != "why" || e.Detail != "because" {
			t.Errorf("%d: %v", status, err)
		}
	}
	if _, err := liveclient.Dial(t.Context(), "ws://127.0.0.1:1/", liveclient.Options{Token: "jak_secret"}); !problem.Is(err, problem.Unavailable) || strings.Contains(err.Error(), "jak_secret") {
		t.Errorf("nobody there: %v", err)
	}
}
