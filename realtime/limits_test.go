package realtime_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/realtime"
)

// T132: a reader that does not read is closed and told where to go on; the
// others notice nothing.
func TestT132_SlowReaderIsClosed(t *testing.T) {
	t.Parallel()
	eachBus(t, func(t *testing.T, bus medium) {
		b := bus()
		retain(b, realtime.Retention{Bytes: 64 << 20})
		w := setup(t, b)
		slow, seq := w.watch(t, "ann", "run:1")
		fast, _ := w.watch(t, "ann", "run:1")
		// More than the sockets' buffers and the queue can hold.
		payload := strings.Repeat("x", 200<<10)
		const events = 100
		for i := range int64(events) {
			w.publish(t, "run:1", "big", payload)
			if e := fast.want("event"); e.Seq != seq+i+1 {
				t.Fatalf("the fast reader got %d, want %d", e.Seq, seq+i+1)
			}
		}
		last := seq
		var reason string
		for reason == "" {
			e, err := slow.receive()
			if err != nil {
				reason = slow.closedWith(err, realtime.CloseSlow)
				break
			}
			last = e.Seq
		}
		topic, number, _ := strings.Cut(reason, " ")
		from, err := strconv.ParseInt(number, 10, 64)
		if err != nil || topic != "run:1" || from < seq || from > last {
			t.Fatalf("reason %q, last seen %d", reason, last)
		}
		// Back from where it really was, it misses nothing.
		again, _ := w.resume(t, "run:1", last)
		for n := last + 1; n <= seq+events; n++ {
			if e := again.want("event"); e.Seq != n {
				t.Fatalf("resumed with %d, want %d", e.Seq, n)
			}
		}
	})
}

func (s *socket) closedWith(err error, code realtime.CloseCode) string {
	s.t.Helper()
	if websocket.CloseStatus(err) != websocket.StatusCode(code) {
		s.t.Fatalf("want close %d, got %v", code, err)
	}
	return err.Error()[strings.Index(err.Error(), `reason = "`)+len(`reason = "`) : len(err.Error())-1]
}

// T132: a slow reader of states gets the newest of each and stays.
func TestT132_StatesAreCoalesced(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.QueueSize = 8; c.QueueBytes = 64 << 20 })
	slow, seq := w.watch(t, "ann", "run:1")
	payload := strings.Repeat("x", 200<<10)
	const events = 200
	for i := range events {
		err := w.Emit(t.Context(), realtime.Event{Topic: "run:1", Type: "run.node.updated", Key: fmt.Sprint("node:", i%2), Data: payload})
		if err != nil {
			t.Fatal(err)
		}
	}
	last, received := seq, 0
	for last < seq+events {
		e := slow.want("event")
		if e.Seq <= last {
			t.Fatalf("%d after %d", e.Seq, last)
		}
		last = e.Seq
		received++
	}
	if received >= events {
		t.Error("nothing was left out: the test reads too fast to show it")
	}
	slow.quiet()
}

// T132: too many topics.
func TestT132_TooManyTopics(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxTopics = 16 })
	for i := range 20 {
		w.allow("ann", fmt.Sprint("run:t", i))
	}
	s := w.enter(t, "ann")
	for i := range 16 {
		s.send(fmt.Sprintf(`{"op":"subscribe","topic":"run:t%d"}`, i))
		s.want("ok")
	}
	s.send(`{"op":"subscribe","topic":"run:t16"}`)
	s.wantClose(realtime.CloseTopics)
}

// T132: a message over the limit, in one frame or many.
func TestT132_TooLargeFrame(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	t.Run("one frame", func(t *testing.T) {
		t.Parallel()
		s := w.enter(t, "ann")
		_ = s.trySend(strings.Repeat("x", 1<<20)) // the server closes before it has read all
		s.wantClose(realtime.CloseTooLarge)
	})
	t.Run("before auth", func(t *testing.T) {
		t.Parallel()
		s := dial(t, w.url)
		_ = s.trySend(strings.Repeat("x", 9<<10))
		s.wantClose(realtime.CloseTooLarge)
	})
	t.Run("fragments", func(t *testing.T) {
		t.Parallel()
		s := w.enter(t, "ann")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		message, err := s.ws.Writer(ctx, websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 << 10 {
			if _, err = message.Write([]byte(strings.Repeat("x", 1<<10))); err != nil {
				break
			}
		}
		s.wantClose(realtime.CloseTooLarge)
	})
	t.Run("allowed", func(t *testing.T) {
		t.Parallel()
		s := w.enter(t, "ann")
		s.send(`{"op":"ping","pad":"` + strings.Repeat("x", 200<<10) + `"}`)
		s.want("pong")
	})
}

// T132: a message in tiny pieces that never ends.
func TestT132_UnfinishedMessage(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.WriteTimeout = 100 * time.Millisecond })
	for name, first := range map[string]byte{"fragments": 0x01, "one frame": 0x81} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := dialRaw(t, w.host, "Authorization: Bearer ann\r\n")
			if first == 0x81 {
				_, _ = raw.Write([]byte{first, 0x80 | 20, 0, 0, 0, 0, '{'})
			} else {
				raw.write(t, first, []byte(`{"op":`))
				raw.write(t, 0x00, nil)
			}
			raw.wantClose(t, realtime.CloseUnfinished)
		})
	}
}

// T132: floods of messages and of pings.
func TestT132_Floods(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxMessages = 5; c.MaxTopics = 5 })
	other := w.enter(t, "ann")
	t.Run("messages", func(t *testing.T) {
		s := w.enter(t, "ann")
		for range 30 {
			_ = s.trySend(`{"op":"ping"}`)
		}
		s.wantClose(realtime.CloseRate)
	})
	t.Run("pings", func(t *testing.T) {
		raw := dialRaw(t, w.host)
		for range 30 {
			raw.write(t, 0x89, nil)
		}
		raw.wantClose(t, realtime.CloseRate)
	})
	other.quiet()
}

// T132: a compressed frame is not even read.
func TestT132_CompressionIsNotAccepted(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	raw := dialRaw(t, w.host, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	if strings.Contains(raw.head, "permessage-deflate") {
		t.Errorf("the server accepted compression:\n%s", raw.head)
	}
	raw.write(t, 0xc1, []byte("bomb"))
	raw.wantClose(t, realtime.CloseCode(websocket.StatusProtocolError))
}

func TestBinaryFrame(t *testing.T) {
	t.Parallel()
	w := setup(t, nil)
	s := w.enter(t, "ann")
	if err := s.ws.Write(t.Context(), websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.wantClose(realtime.CloseBinary)
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) { c.MaxConnections = 2 })
	one, two := w.enter(t, "ann"), w.enter(t, "ann")
	dial(t, w.url).wantClose(realtime.CloseFull)
	one.quiet()
	two.quiet()
	if err := one.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "there is room again", func() bool {
		s, _, err := tryDial(t, w.url, "Authorization", "Bearer ann")
		return err == nil && s.trySend(`{"op":"ping"}`) == nil && func() bool { f, err := s.receive(); return err == nil && f.Op == "pong" }()
	})
}

func TestDeadPeerIsDropped(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) {
		c.MaxConnections = 1
		c.PingInterval = 50 * time.Millisecond
		c.WriteTimeout = 100 * time.Millisecond
	})
	raw := dialRaw(t, w.host, "Authorization: Bearer ann\r\n") // never answers a ping
	raw.wantEnd(t)
}

func TestLivingPeerStays(t *testing.T) {
	t.Parallel()
	w := setup(t, nil, func(c *realtime.Config) {
		c.PingInterval = 5 * time.Millisecond
		c.WriteTimeout = 5 * time.Second
	})
	s, seq := w.watch(t, "ann", "run:1")
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		<-time.After(100 * time.Millisecond)
		_ = w.Publish(context.Background(), "run:1", "tick", 1)
	}()
	s.wantEvent(seq+1, "1") // answers pings while it waits
	<-pinged
}

// rawSocket is a client that can break the rules of WebSocket.
type rawSocket struct {
	net.Conn
	in   *bufio.Reader
	head string
}

func dialRaw(t *testing.T, host string, headers ...string) *rawSocket {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
		host, base64.StdEncoding.EncodeToString(key), strings.Join(headers, ""))
	r := &rawSocket{Conn: c, in: bufio.NewReader(c)}
	response, err := http.ReadResponse(r.in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", response, err)
	}
	for name, values := range response.Header {
		r.head += name + ": " + strings.Join(values, ", ") + "\n"
	}
	return r
}

// write sends a short frame, masked with zeros.
func (r *rawSocket) write(t *testing.T, head byte, payload []byte) {
	t.Helper()
	// The server may have closed already.
	_, _ = r.Write(append([]byte{head, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
}

// next reads a short frame.
func (r *rawSocket) next() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := r.readFull(head[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, head[1])
	_, err = r.readFull(payload)
	return head[0] & 0x0f, payload, err
}

func (r *rawSocket) readFull(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.in.Read(p[n:])
		n += m
	}
	return n, err
}

func (r *rawSocket) wantClose(t *testing.T, code realtime.CloseCode) {
	t.Helper()
	for {
		op, payload, err := r.next()
		if err != nil {
			t.Fatalf("want close %d: %v", code, err)
		}
		if op != 8 {
			continue
		}
		if got := binary.BigEndian.Uint16(payload); got != uint16(code) {
			t.Fatalf("want close %d, got %d", code, got)
		}
		return
	}
}

// wantEnd reads until the server ends the connection.
func (r *rawSocket) wantEnd(t *testing.T) {
	t.Helper()
	for {
		_, _, err := r.next()
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Fatal("the connection is still there")
		}
		if err != nil {
			return
		}
	}
}
