//go:build unix

package realtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// ahead is how many frames for everybody may be on their way at once.
const ahead = 4

// The rate at which events of 200 bytes reach many sockets, and what that costs
// the server, beside the bare library with a goroutine and a channel per socket.
func BenchmarkFanOut(b *testing.B) {
	for _, sockets := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("bare/%d", sockets), func(b *testing.B) {
			url, send := serveBare(b, sockets)
			fanOut(b, gather(b, sockets, url, ""), send)
		})
		b.Run(fmt.Sprintf("hub/%d", sockets), func(b *testing.B) {
			w := setup(b, realtime.NewMemoryBus(), crowded)
			fanOut(b, gather(b, sockets, w.url, watchOne), func() { w.publish(b, "run:1", "tick", padded(80)) })
		})
	}
}

// How long an event of 200 bytes is on its way to each of 5,000 sockets, when it
// is the only one.
func BenchmarkDelay(b *testing.B) {
	const sockets = 5000
	b.Run("bare", func(b *testing.B) {
		url, send := serveBare(b, sockets)
		delay(b, gather(b, sockets, url, ""), send)
	})
	b.Run("hub", func(b *testing.B) {
		w := setup(b, realtime.NewMemoryBus(), crowded)
		delay(b, gather(b, sockets, w.url, watchOne), func() { w.publish(b, "run:1", "tick", padded(80)) })
	})
}

// What a socket costs the server in memory that is connected, has subscribed to a
// topic and is idle; the kernel's own buffers are not counted.
func BenchmarkIdleSocket(b *testing.B) {
	const sockets = 9000 // 10,000 and the files of the test are too many for some systems
	for b.Loop() {
		b.StopTimer()
		w := setup(b, realtime.NewMemoryBus(), crowded)
		before := inUse()
		c := gather(b, sockets, w.url, watchOne)
		b.StartTimer()
		b.ReportMetric(float64(inUse()-before)/sockets, "B/socket")
		b.StopTimer()
		c.leave()
		b.StartTimer()
	}
}

// inUse is how much memory the process uses, stacks included.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first put into the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

const watchOne = `{"op":"subscribe","topic":"run:1"}`

// crowded lets a crowd have one credential, and as many frames wait as for the
// bare library.
func crowded(c *realtime.Config) {
	c.MaxPerCredential = 20_000
	c.QueueSize = bareQueue
}

// padded is data that says when it was made, filled up to a size in bytes.
func padded(size int) json.RawMessage {
	head := "{" + sentAt + strconv.FormatInt(time.Now().UnixNano(), 10) + `,"x":"`
	return json.RawMessage(head + strings.Repeat("x", max(0, size-len(head))) + `"}`)
}

// fanOut measures events times sockets, with at most a few events on their way.
func fanOut(b *testing.B, c *crowd, publish func()) {
	b.Helper()
	used := processorTime(b)
	for b.Loop() {
		publish()
		c.published(b, ahead)
	}
	for ; c.rounds > 0; c.rounds-- {
		c.want(b, "round")
	}
	frames := float64(b.N) * float64(c.size)
	b.ReportMetric(frames/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(float64((processorTime(b)-used).Nanoseconds())/frames, "cpu-ns/frame")
}

// delay publishes one event after the other.
func delay(b *testing.B, c *crowd, publish func()) {
	b.Helper()
	for b.Loop() {
		publish()
		c.published(b, 0)
	}
	p50, p99 := c.leave()
	b.ReportMetric(float64(p50.Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serveBare starts the bare library; send waits until all sockets are there.
func serveBare(b *testing.B, sockets int) (url string, send func()) {
	b.Helper()
	bare := newBareHub()
	server := httptest.NewServer(bare)
	b.Cleanup(server.Close)
	b.Cleanup(bare.close)
	all := sync.OnceFunc(func() {
		eventually(b, patience, "all are connected", func() bool { return bare.size() == sockets })
	})
	return server.URL, func() {
		all()
		bare.send([]byte(fmt.Sprintf(`{"data":%s}`, padded(190))))
	}
}

// bareQueue is how many frames may wait for a socket.
const bareQueue = 4096

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
	out := make(chan []byte, bareQueue)
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
