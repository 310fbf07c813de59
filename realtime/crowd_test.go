package realtime_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// crowdEnv makes the test program a crowd of clients, in a process of their own:
// what they use is not what the server uses. Its value is how many they are; the
// arguments are the URL, and what each says first ("" = nothing).
const crowdEnv = "JETADMIN_TEST_CROWD"

// sentAt comes before the time in nanoseconds at which a frame was published.
const sentAt = `"sent":`

// crowd is the server's end of the process.
type crowd struct {
	size   int
	cmd    *exec.Cmd
	in     io.Closer
	out    *bufio.Scanner
	rounds int // frames for everybody that are still on their way
}

// gather starts a crowd and waits until all have connected.
func gather(b *testing.B, size int, url, hello string) *crowd {
	b.Helper()
	cmd := exec.Command(os.Args[0], url, hello)
	cmd.Env = append(os.Environ(), crowdEnv+"="+strconv.Itoa(size))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c := &crowd{size: size, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	b.Cleanup(func() { _, _ = c.leave() })
	c.want(b, "connected")
	return c
}

func (c *crowd) want(b *testing.B, line string) {
	b.Helper()
	if !c.out.Scan() || c.out.Text() != line {
		b.Fatalf("want %q of the crowd, got %q", line, c.out.Text())
	}
}

// published counts a frame to everybody, and waits until no more than ahead are
// on their way.
func (c *crowd) published(b *testing.B, ahead int) {
	b.Helper()
	for c.rounds++; c.rounds > ahead; c.rounds-- {
		c.want(b, "round")
	}
}

// leave ends the crowd and returns how long frames took.
func (c *crowd) leave() (p50, p99 time.Duration) {
	_ = c.in.Close()
	for c.out.Scan() {
		_, _ = fmt.Sscanf(c.out.Text(), "delays %d %d", &p50, &p99)
	}
	_ = c.cmd.Wait()
	return p50, p99
}

// beCrowd is the main function of the process.
func beCrowd(size int, url, hello string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &members{size: int64(size), out: os.Stdout}
	var readers, dialers sync.WaitGroup
	turns, failed := make(chan struct{}, 64), make(chan error, size)
	for range size {
		turns <- struct{}{}
		dialers.Go(func() {
			defer func() { <-turns }()
			ws, err := enterCrowd(ctx, url, hello)
			if err != nil {
				failed <- err
				return
			}
			readers.Go(func() { m.read(ctx, ws) })
		})
	}
	dialers.Wait()
	if len(failed) > 0 {
		return <-failed
	}
	_, _ = fmt.Println("connected")
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	readers.Wait()
	m.report()
	return nil
}

func enterCrowd(ctx context.Context, url, hello string) (*websocket.Conn, error) {
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer ann"}}})
	if err != nil || hello == "" {
		return ws, err
	}
	if err := ws.Write(ctx, websocket.MessageText, []byte(hello)); err != nil {
		return nil, err
	}
	_, _, err = ws.Read(ctx)
	return ws, err
}

// members are all clients of a crowd.
type members struct {
	size     int64
	received atomic.Int64

	mu     sync.Mutex
	out    io.Writer
	delays []time.Duration
}

func (m *members) read(ctx context.Context, ws *websocket.Conn) {
	defer ws.CloseNow()
	frame := make([]byte, 512)
	for {
		_, r, err := ws.Reader(ctx)
		if err != nil {
			return
		}
		n, err := io.ReadFull(r, frame)
		if err != io.ErrUnexpectedEOF { // it would be longer than the buffer
			return
		}
		m.note(frame[:n])
	}
}

func (m *members) note(frame []byte) {
	now := time.Now()
	_, rest, ok := bytes.Cut(frame, []byte(sentAt))
	if ok {
		digits, _, _ := bytes.Cut(rest, []byte(","))
		sent, _ := strconv.ParseInt(string(digits), 10, 64)
		m.mu.Lock()
		m.delays = append(m.delays, now.Sub(time.Unix(0, sent)))
		m.mu.Unlock()
	}
	if m.received.Add(1)%m.size == 0 {
		m.mu.Lock()
		_, _ = fmt.Fprintln(m.out, "round")
		m.mu.Unlock()
	}
}

func (m *members) report() {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.Sort(m.delays)
	if n := len(m.delays); n > 0 {
		_, _ = fmt.Fprintf(m.out, "delays %d %d\n", m.delays[n/2], m.delays[n*99/100])
	}
}
