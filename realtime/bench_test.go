package realtime_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/realtime"
)

type news struct {
	RunID  string `json:"runId"`
	Node   string `json:"node"`
	Status string `json:"status"`
}

// What an event costs that nobody waits for: encoding it and keeping it for
// those that come back.
func BenchmarkPublishNoSubscriber(b *testing.B) {
	w := setup(b, realtime.NewMemoryBus())
	ctx := context.Background()
	data := news{RunID: "0197f0e0-0000-7000-8000-000000000000", Node: "charge", Status: "succeeded"}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Publish(ctx, "run:0197f0e0-0000-7000-8000-000000000000", "run.node.updated", data); err != nil {
			b.Fatal(err)
		}
	}
}

// The rate at which events of 200 bytes reach 500 sockets, beside the bare
// library with a goroutine and a channel per socket.
func BenchmarkFanOut(b *testing.B) {
	const sockets = 500
	b.Run("bare", func(b *testing.B) {
		bare := newBareHub()
		server := httptest.NewServer(bare)
		defer server.Close()
		defer bare.close()
		frame := []byte(strings.Repeat("x", 200))
		fanOut(b, server.URL, sockets, "", func() {
			eventually(b, patience, "all are connected", func() bool { return bare.size() == sockets })
			bare.send(frame)
		})
	})
	b.Run("hub", func(b *testing.B) {
		w := setup(b, realtime.NewMemoryBus(), func(c *realtime.Config) { c.QueueSize = 4096 })
		fanOut(b, w.url, sockets, `{"op":"subscribe","topic":"run:1"}`, func() {
			w.publish(b, "run:1", "tick", strings.Repeat("x", 90))
		})
	})
}

// fanOut measures events times sockets, with at most a few events on their way.
func fanOut(b *testing.B, url string, sockets int, hello string, publish func()) {
	b.Helper()
	arrived := make(chan struct{}, sockets)
	var readers sync.WaitGroup
	ends := make([]io.Closer, sockets)
	for i := range sockets {
		s := dial(b, url, "Authorization", "Bearer ann")
		if hello != "" {
			s.send(hello)
			s.want("ok")
		}
		ends[i] = closer(s.ws.CloseNow)
		readers.Go(func() {
			for {
				_, r, err := s.ws.Reader(context.Background())
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					return
				}
				arrived <- struct{}{}
			}
		})
	}
	const ahead = 4
	waiting := 0
	b.ResetTimer()
	for b.Loop() {
		publish()
		for waiting += sockets; waiting > ahead*sockets; waiting-- {
			<-arrived
		}
	}
	for ; waiting > 0; waiting-- {
		<-arrived
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*float64(sockets)/b.Elapsed().Seconds(), "frames/s")
	for _, end := range ends {
		_ = end.Close()
	}
	readers.Wait()
}

type closer func() error

func (c closer) Close() error { return c() }

// bareHub is the least that a fan-out over the library needs.
type bareHub struct {
	mu      sync.Mutex
	outs    []chan []byte
	writers sync.WaitGroup
}

func newBareHub() *bareHub { return &bareHub{} }

func (h *bareHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	out := make(chan []byte, 4096)
	h.mu.Lock()
	h.outs = append(h.outs, out)
	h.mu.Unlock()
	h.writers.Go(func() {
		defer ws.CloseNow()
		for frame := range out {
			if ws.Write(context.Background(), websocket.MessageText, frame) != nil {
				return
			}
		}
	})
}

func (h *bareHub) send(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, out := range h.outs {
		out <- frame
	}
}

func (h *bareHub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.outs)
}

func (h *bareHub) close() {
	for _, out := range h.outs {
		close(out)
	}
	h.writers.Wait()
}

// What a resume of a full history costs.
func BenchmarkResume(b *testing.B) {
	w := setup(b, realtime.NewMemoryBus(), func(c *realtime.Config) { c.MaxMessages = 1 << 20 })
	for i := range 1000 {
		w.publish(b, "run:1", "tick", i)
	}
	s := dial(b, w.url, "Authorization", "Bearer ann")
	in := bufio.NewReader(nil)
	for b.Loop() {
		s.send(`{"op":"subscribe","topic":"run:1","since":0}`)
		for range 1 + 1000 {
			_, r, err := s.ws.Reader(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			in.Reset(r)
			if _, err := in.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
		s.send(`{"op":"unsubscribe","topic":"run:1"}`)
		s.want("ok")
	}
}
