package realtime

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coder/websocket"
)

// closeTimeout is how long a client may take to answer that the connection is
// being closed.
const closeTimeout = 5 * time.Second

var (
	errBinary     = errors.New("binary frame")
	errTooLarge   = errors.New("message too large")
	errUnfinished = errors.New("message not finished in time")
)

// conn is a WebSocket connection. One goroutine may read, one may write, any may
// close.
//
// Its time limits are deadlines of the network connection: contexts of the
// library cost more than the write they would limit, and close the connection
// when they end.
type conn struct {
	ws      *websocket.Conn
	net     net.Conn
	timeout time.Duration // of a write, and of the rest of a message that has begun
}

// accept does the handshake, and replies itself when it fails. allowPing is
// asked for every ping of the client, before it is answered.
func accept(w http.ResponseWriter, r *http.Request, timeout time.Duration, allowPing func() bool) (*conn, error) {
	c := &conn{timeout: timeout}
	if canHijack(w) {
		w = &hijacking{ResponseWriter: w, conn: c}
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		CompressionMode:    websocket.CompressionDisabled, // no compression, no bomb
		InsecureSkipVerify: true,                          // the hub has checked the origin, more strictly
		OnPingReceived:     func(context.Context, []byte) bool { return allowPing() },
	})
	if err != nil {
		return nil, err
	}
	c.ws = ws
	return c, nil
}

// canHijack looks for http.Hijacker below wrappers that offer only Unwrap.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// hijacking remembers the network connection that the library gets.
type hijacking struct {
	http.ResponseWriter
	conn *conn
}

func (h *hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	// Gin's writer keeps the status back until it is told; the library would tell
	// it, but sees only this wrapper.
	if w, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
	raw, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn.net = raw
	return raw, buffered, err
}

// limit sets the size of a message from the client in bytes.
func (c *conn) limit(n int) { c.ws.SetReadLimit(int64(n)) }

// read returns the next message of the client.
func (c *conn) read() ([]byte, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		return nil, errBinary
	}
	_ = c.net.SetReadDeadline(time.Now().Add(c.timeout)) // fails on a closed connection, like the read
	message, err := io.ReadAll(r)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errUnfinished
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, errTooLarge
	}
	_ = c.net.SetReadDeadline(time.Time{})
	return message, err
}

// write sends a frame. After an error the connection is of no further use.
func (c *conn) write(frame []byte) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(c.timeout)) // fails on a closed connection, like the write
	return c.ws.Write(context.Background(), websocket.MessageText, frame)
}

// ping waits until the client answers; somebody must be reading.
func (c *conn) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	return c.ws.Ping(ctx)
}

// close tells the client why, and waits for its answer.
func (c *conn) close(code CloseCode, reason string) {
	_ = c.net.SetDeadline(time.Now().Add(closeTimeout))
	_ = c.ws.Close(websocket.StatusCode(code), reason) // the client may be gone
}

// drop ends the connection at once. It is safe to call at any time.
func (c *conn) drop() { _ = c.net.Close() }

// release frees what the library holds, once nobody reads or writes.
func (c *conn) release() { _ = c.ws.CloseNow() }
