package redis

import (
	"errors"
	"math"
	"net"
	"strconv"
	"sync/atomic"
)

const (
	loginBytes  = 256 << 10 // of the answers to what this package asks itself
	maxElements = 250_000   // of one answer, with those of lists in lists
	maxDepth    = 16        // of lists in lists
	maxHeader   = 64 << 10  // bytes of a line: a number, a status, an error
)

var (
	errTooLarge = errors.New("the answer is larger than the limit")
	errProtocol = errors.New("the server does not speak the protocol of Redis")
)

// guard is the connection below the client. The client makes room for what a
// server announces before it is there, and reads answers whole; so the guard reads
// along, and ends the connection at the announcement of more than the limit.
type guard struct {
	net.Conn
	budget atomic.Int64 // bytes that the answer under way may still have

	// read by one goroutine at a time, the client's
	line     []byte // the header that is not complete yet
	payload  int64  // bytes of a string that are still to come, with its line end
	open     []int64
	elements int64 // announced in the answer under way
	broken   error
}

// arm lets one answer of so many bytes in.
func (g *guard) arm(bytes int64) { g.budget.Store(bytes) }

func (g *guard) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if g.broken == nil {
		g.broken = g.scan(b[:n])
	}
	if g.broken != nil {
		_ = g.Conn.Close()
		return 0, g.broken
	}
	return n, err
}

// scan follows the answer through what was read.
func (g *guard) scan(b []byte) error {
	if g.budget.Add(-int64(len(b))) < 0 {
		return errTooLarge
	}
	for len(b) > 0 {
		if g.payload > 0 {
			skipped := min(g.payload, int64(len(b)))
			g.payload -= skipped
			b = b[skipped:]
			continue
		}
		c := b[0]
		b = b[1:]
		if c != '\n' {
			if g.line = append(g.line, c); len(g.line) > maxHeader {
				return errTooLarge
			}
			continue
		}
		if err := g.header(g.line); err != nil {
			return err
		}
		g.line = g.line[:0]
	}
	return nil
}

// header reads a line up to its end.
func (g *guard) header(line []byte) error {
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return errProtocol
	}
	if len(g.open) == 0 {
		g.elements = 0
	}
	kind, rest := line[0], string(line[1:len(line)-1])
	switch kind {
	case '+', '-', ':', ',', '#', '(', '_':
		return g.element(0)
	case '$', '=', '!':
		n, err := length(rest)
		if err != nil || n < 0 {
			return errors.Join(err, g.element(0))
		}
		if n > g.budget.Load()+int64(maxHeader) {
			return errTooLarge
		}
		g.payload = n + 2
		return g.element(0)
	case '*', '~':
		return g.list(rest, 1)
	case '%':
		return g.list(rest, 2)
	}
	return errProtocol // a push or attribute, for which nothing here has asked
}

func (g *guard) list(rest string, each int64) error {
	n, err := length(rest)
	switch {
	case err != nil:
		return err
	case n > maxElements/each:
		return errTooLarge
	case len(g.open) == maxDepth:
		return errProtocol
	}
	children := max(n, 0) * each
	if g.elements += children; g.elements > maxElements {
		return errTooLarge // the client makes room for all that is announced
	}
	return g.element(children)
}

// element notes one element, which has so many of its own.
func (g *guard) element(children int64) error {
	if len(g.open) > 0 {
		g.open[len(g.open)-1]--
	}
	if children > 0 {
		g.open = append(g.open, children)
	}
	for len(g.open) > 0 && g.open[len(g.open)-1] == 0 {
		g.open = g.open[:len(g.open)-1]
	}
	return nil
}

func length(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1 || n > math.MaxInt64-2 {
		return 0, errProtocol
	}
	return n, nil
}
