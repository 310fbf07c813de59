package liveclient

import (
	"context"
	"testing"
)

// FuzzFrame is a server that sends anything: at most it ends the connection, and a
// topic never goes back without the server saying so.
func FuzzFrame(f *testing.F) {
	for _, text := range []string{
		`{"id":"1","op":"ok","topic":"run:1","seq":7}`, `{"op":"event","topic":"run:1","seq":8,"type":"x","data":{},"time":"2026-01-02T03:04:05Z"}`,
		`{"op":"gap","topic":"run:1","from":9,"to":12}`, `{"op":"error","topic":"run:1","code":"subscription_ended"}`, `{"op":"pong"}`, `[]`, `{"seq":"x"}`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Client{options: Options{Backoff: 1, MaxBackoff: 1}, messages: make(chan delivery, 1), changed: make(chan struct{}, 1), leaving: map[string]bool{}}
		c.ctx, c.cancel = context.WithCancel(t.Context())
		defer c.cancel()
		s := &subscription{topic: "run:1", since: 7, id: "1", live: true}
		c.subs = []*subscription{s}
		got, err := decode(text)
		if err != nil {
			if yes, _ := again(err); yes {
				t.Errorf("%q is taken for a lost connection", text)
			}
			return
		}
		if err := c.take(new(link), got); err != nil {
			t.Errorf("%q ends the connection: %v", text, err)
		}
		if s.since < 7 && got.Op != "ok" {
			t.Errorf("%q makes the topic go back to %d", text, s.since)
		}
	})
}
