package redis

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// fed is a guard on what a server sends.
func fed(r io.Reader, budget int64) *guard {
	g := &guard{Conn: feed{Reader: r}}
	g.arm(budget)
	return g
}

type feed struct {
	net.Conn
	io.Reader
}

func (f feed) Read(b []byte) (int, error) { return f.Reader.Read(b) }
func (feed) Close() error                 { return nil }

func TestGuardLetsAnswersThrough(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"+OK\r\n", "-ERR no\r\n", ":-12\r\n", "$-1\r\n", "$0\r\n\r\n", "$5\r\na\r\nb\n\r\n", "*-1\r\n", "*0\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(123456789012345678901234567890\r\n",
		"=7\r\ntxt:abc\r\n", "!5\r\nERR x\r\n", "*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", "~1\r\n+a\r\n", "%1\r\n+k\r\n%1\r\n+k\r\n:1\r\n", "*1\r\n%0\r\n+next\r\n",
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(answer + answer), "in bytes": iotest.OneByteReader(strings.NewReader(answer + answer))} {
			g := fed(r, 1000)
			got, err := io.ReadAll(g)
			if err != nil || string(got) != answer+answer {
				t.Errorf("%q %s: got %q, %v", answer, name, got, err)
			}
			if len(g.open) != 0 || g.payload != 0 || len(g.line) != 0 {
				t.Errorf("%q %s: it waits for more: %v %d %q", answer, name, g.open, g.payload, g.line)
			}
		}
	}
}

// T79: what is announced is refused before the client sees the announcement.
func TestT79_GuardRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		"$10000000000\r\nabc":                errTooLarge,
		"$9223372036854775807\r\n":           errProtocol,
		"$99999999999999999999\r\n":          errProtocol,
		"*2147483647\r\n":                    errTooLarge,
		"%200000\r\n":                        errTooLarge,
		"$-2\r\n":                            errProtocol,
		"$x\r\n":                             errProtocol,
		"$?\r\n":                             errProtocol,
		">1\r\n+push\r\n":                    errProtocol,
		"|1\r\n+a\r\n+b\r\n:1\r\n":           errProtocol,
		"HTTP/1.1 400 Bad Request\r\n":       errProtocol,
		"+OK\n":                              errProtocol,
		"\r\n":                               errProtocol,
		strings.Repeat("*1\r\n", 20):         errProtocol,
		"+" + strings.Repeat("x", 100_000):   errTooLarge,
		strings.Repeat("*1000\r\n", 3) + ":": nil,
		strings.Repeat("*100000\r\n", 3):     errTooLarge,
	} {
		g := fed(iotest.HalfReader(strings.NewReader(answer)), 200_000)
		got, err := io.ReadAll(g)
		if !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", answer, err, want)
		}
		if want != nil && strings.HasSuffix(string(got), "\n") && !strings.HasPrefix(answer, "*1") {
			t.Errorf("%.40q: %q was let through", answer, got)
		}
	}
	many := "*200000\r\n" + strings.Repeat("*2\r\n:1\r\n:2\r\n", 200_000)
	if _, err := io.ReadAll(fed(strings.NewReader(many), 1<<30)); !errors.Is(err, errTooLarge) {
		t.Errorf("lists in lists are not counted together: %v", err)
	}
	if _, err := io.ReadAll(fed(strings.NewReader(strings.Repeat(":1\r\n", 1000)), 1000)); !errors.Is(err, errTooLarge) {
		t.Errorf("the budget is not kept: %v", err)
	}
}

// FuzzGuard: whatever a server sends, and in whatever pieces, the guard says the
// same, and lets no string through that is announced above the budget.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "$100000\r\n", "%1\r\n+a\r\n*1\r\n_\r\n", "$5\r\nab", "*1\r\n*1\r\n$-1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		const budget = 10_000
		_, whole := io.ReadAll(fed(bytes.NewReader(answer), budget))
		g := fed(iotest.OneByteReader(bytes.NewReader(answer)), budget)
		passed, split := io.ReadAll(g)
		if errors.Is(whole, errProtocol) != errors.Is(split, errProtocol) {
			t.Fatalf("whole %v, in bytes %v", whole, split)
		}
		if !bytes.HasPrefix(answer, passed) || split == nil && len(passed) != len(answer) {
			t.Fatalf("let through %q", passed)
		}
		if len(g.open) > maxDepth || len(g.line) > maxHeader+1 {
			t.Fatalf("it keeps %d lists and %d bytes", len(g.open), len(g.line))
		}
		if header, _, ok := strings.Cut(string(passed), "\r\n"); ok && strings.HasPrefix(header, "$") {
			if n, err := strconv.ParseInt(header[1:], 10, 64); err != nil || n > budget+maxHeader {
				t.Fatalf("a string of %d bytes was announced", n)
			}
		}
	})
}
