package redis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
)

// Nothing of the data is lost without a word: names as values, bytes, fields that
// come twice.
func TestNamesAreKeptLikeValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, args := range [][]any{
		{"HSET", "hash", "\xff", "\xfe"}, {"XADD", "bytes", "1-1", "\xff", "\xfe"},
		{"XADD", "twice", "1-1", "b", "1", "a", `{"x":[2]}`, "b", "2024-07-01"},
		{"HSET", "withvalues", "a", "1"}, {"ZADD", "withscores", 1, "a"}, {"ZADD", "other", 2, "b"},
	} {
		if err := b.direct.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	conn := open(t, b.settings)
	for operation, want := range map[string]string{
		`{"command": "HGETALL", "args": ["hash"], "values": "bytes"}`:               "[[[255] [254]]]",
		`{"command": "XRANGE", "args": ["bytes", "-", "+"], "values": "bytes"}`:     `[[1-1 {"/w==":"/g=="}]]`,
		`{"command": "XRANGE", "args": ["twice", "-", "+"]}`:                        `[[1-1 {"b":["1","2024-07-01"],"a":"{\"x\":[2]}"}]]`,
		`{"command": "XRANGE", "args": ["twice", "-", "+"], "values": "json"}`:      `[[1-1 {"b":[1,"2024-07-01"],"a":{"x":[2]}}]]`,
		`{"command": "HRANDFIELD", "args": ["withvalues", "5"]}`:                    "[[a]]",
		`{"command": "ZRANGE", "args": ["withscores", "0", "-1"]}`:                  "[[a]]",
		`{"command": "ZRANGE", "args": ["withscores", "0", "-1", "WithScores"]}`:    "[[a 1]]",
		`{"command": "ZUNION", "args": ["2", "other", "withscores"]}`:               "[[a] [b]]",
		`{"command": "ZUNION", "args": ["2", "other", "withscores", "withscores"]}`: "[[a 1] [b 2]]",
	} {
		_, rows, err := run(t, conn.Query, json.RawMessage(operation), nil)
		if err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s: got %v, %v", operation, rows, err)
		}
	}
	for _, operation := range []string{
		`{"command": "HGETALL", "args": ["hash"]}`, `{"command": "XRANGE", "args": ["bytes", "-", "+"]}`, `{"command": "XRANGE", "args": ["bytes", "-", "+"], "values": "json"}`,
		`{"command": "XREAD", "args": ["STREAMS", "bytes", "0"]}`, `{"command": "HSCAN", "args": ["hash", "0"]}`,
	} {
		_, rows, err := run(t, conn.Query, json.RawMessage(operation), nil)
		if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, `"bytes"`) {
			t.Errorf("%s: got %v, %v", operation, rows, err)
		}
	}
}

// T86: a server that cannot say now whether a command reads is asked again, and the
// command is not run.
func TestT86_ConfirmationIsNotSwitchedOffByAnyError(t *testing.T) {
	t.Parallel()
	for answer, again := range map[string]bool{
		"-LOADING Redis is loading the dataset in memory\r\n": true, "-ERR something went wrong\r\n": true, "-BUSY a script runs\r\n": true,
		"-NOPERM no permission\r\n": false, "-ERR unknown command 'COMMAND'\r\n": false,
	} {
		var asked, ran atomic.Int32
		address := serve(t, func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				text := strings.ToUpper(string(buf[:n]))
				reply := "+OK\r\n"
				switch {
				case strings.Contains(text, "HELLO"):
					reply = "%1\r\n+proto\r\n:3\r\n" + strings.Repeat("+OK\r\n", strings.Count(text, "*")-1)
				case strings.Contains(text, "COMMAND"):
					reply = answer
					asked.Add(1)
				case strings.Contains(text, "STRLEN"):
					reply = ":1\r\n"
					ran.Add(1)
				}
				_, _ = io.WriteString(c, reply)
			}
		})
		conn := open(t, settingsOf(t, address))
		for range 2 {
			_, _, err := run(t, conn.Query, op("STRLEN", "a"), nil)
			if (err != nil) != again {
				t.Errorf("%q: got %v", answer, err)
			}
		}
		if again && (ran.Load() != 0 || asked.Load() != 2) || !again && asked.Load() != 1 {
			t.Errorf("%q: asked %d times, ran %d", answer, asked.Load(), ran.Load())
		}
	}
}
