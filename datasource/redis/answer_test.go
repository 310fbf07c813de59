package redis_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/redis"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestAnswersBecomeRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, command := range []string{
		"SET text äöü", "SET number 9223372036854775807", `SET doc {"a":[1,"x"]}`, "HSET hash b 2 a 1", "RPUSH list x y x", "SADD set only", "ZADD zset 1.5 one 2 two inf last",
		"XADD stream 1-1 name Ada age 36", "XADD stream 1-2 name Bob", "GEOADD geo 13.361389 38.115556 Palermo", "PFADD hll a b c",
	} {
		b.put(t, command)
	}
	if err := b.direct.Set(t.Context(), "bytes", []byte{0xff, 0x00}, 0).Err(); err != nil {
		t.Fatal(err)
	}
	conn := open(t, b.settings)
	for _, c := range []struct{ operation, want string }{
		{`{"command": "GET", "args": ["text"]}`, "value:string [[äöü]]"},
		{`{"command": "get", "args": ["text"]}`, "value:string [[äöü]]"},
		{`{"command": "GET", "args": ["missing"]}`, "value:unknown [[<nil>]]"},
		{`{"command": "GET", "args": ["doc"], "values": "json"}`, `value:json [[{"a":[1,"x"]}]]`},
		{`{"command": "GET", "args": ["bytes"], "values": "bytes"}`, "value:bytes [[[255 0]]]"},
		{`{"command": "MGET", "args": ["text", "missing", "number"]}`, "value:string [[äöü] [<nil>] [9223372036854775807]]"},
		{`{"command": "STRLEN", "args": ["text"]}`, "value:integer [[6]]"},
		{`{"command": "HGETALL", "args": ["hash"]}`, "field:string value:string [[a 1] [b 2]]"},
		{`{"command": "HGETALL", "args": ["missing"]}`, "field:unknown value:unknown []"},
		{`{"command": "HMGET", "args": ["hash", "a", "z"]}`, "value:string [[1] [<nil>]]"},
		{`{"command": "HRANDFIELD", "args": ["hash", "5", "WITHVALUES"]}`, "field:string value:string 2 rows"},
		{`{"command": "HRANDFIELD", "args": ["hash", "5"]}`, "value:string 2 rows"},
		{`{"command": "LRANGE", "args": ["list", "0", "-1"]}`, "value:string [[x] [y] [x]]"},
		{`{"command": "LPOS", "args": ["list", "x", "COUNT", "0"]}`, "value:integer [[0] [2]]"},
		{`{"command": "SMEMBERS", "args": ["set"]}`, "value:string [[only]]"},
		{`{"command": "SMISMEMBER", "args": ["set", "only", "x"]}`, "value:integer [[1] [0]]"},
		{`{"command": "ZRANGE", "args": ["zset", "0", "-1"]}`, "value:string [[one] [two] [last]]"},
		{`{"command": "ZRANGE", "args": ["zset", "0", "-1", "withscores"]}`, "member:string score:number [[one 1.5] [two 2] [last +Inf]]"},
		{`{"command": "ZSCORE", "args": ["zset", "one"]}`, "value:number [[1.5]]"},
		{`{"command": "XRANGE", "args": ["stream", "-", "+"]}`, `id:string fields:json [[1-1 {"name":"Ada","age":"36"}] [1-2 {"name":"Bob"}]]`},
		{`{"command": "XREAD", "args": ["COUNT", "1", "STREAMS", "stream", "0"]}`, `stream:string id:string fields:json [[stream 1-1 {"name":"Ada","age":"36"}]]`},
		{`{"command": "XREAD", "args": ["STREAMS", "stream", "$"]}`, "stream:unknown id:unknown fields:unknown []"},
		{`{"command": "XINFO STREAM", "args": ["stream"]}`, "field:string value:unknown 10 rows"},
		{`{"command": "HSCAN", "args": ["hash", "0"]}`, "cursor:string field:string value:string [[0 b 2] [0 a 1]]"},
		{`{"command": "ZSCAN", "args": ["zset", "0", "MATCH", "o*"]}`, "cursor:string member:string score:number [[0 one 1.5]]"},
		{`{"command": "SCAN", "args": ["0", "MATCH", "te?t", "COUNT", "1000"]}`, "cursor:string value:string [[0 text]]"},
		{`{"command": "TYPE", "args": ["zset"]}`, "value:string [[zset]]"},
		{`{"command": "OBJECT  encoding", "args": ["number"]}`, "value:string [[int]]"},
		{`{"command": "MEMORY USAGE", "args": ["text"]}`, "value:integer 1 rows"},
		{`{"command": "GEOPOS", "args": ["geo", "Palermo", "x"]}`, "value:array 2 rows"},
		{`{"command": "PFCOUNT", "args": ["hll"]}`, "value:integer [[3]]"},
		{`{"command": "PING"}`, "value:string [[PONG]]"},
	} {
		columns, rows, err := run(t, conn.Query, json.RawMessage(c.operation), nil)
		if err != nil {
			t.Errorf("%s: %v", c.operation, err)
			continue
		}
		var got []string
		for _, column := range columns {
			got = append(got, column.Name+":"+string(column.Type))
		}
		head := strings.Join(got, " ")
		if full := fmt.Sprintf("%s %v", head, rows); full != c.want && fmt.Sprintf("%s %d rows", head, len(rows)) != c.want {
			t.Errorf("%s: got %s", c.operation, full)
		}
	}
	_, _, err := run(t, conn.Query, op("GET", "bytes"), nil)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, `"bytes"`) {
		t.Errorf("bytes as text: %v", err)
	}
	_, rows, err := run(t, conn.(datasource.Execer).Exec, op("ZPOPMIN", "zset"), nil)
	if err != nil || fmt.Sprint(rows) != "[[one 1.5]]" {
		t.Errorf("ZPOPMIN gave %v, %v", rows, err)
	}
	_, rows, err = run(t, conn.(datasource.Execer).Exec, op("ZPOPMAX", "zset", "2"), nil)
	if err != nil || fmt.Sprint(rows) != "[[last +Inf] [two 2]]" {
		t.Errorf("ZPOPMAX gave %v, %v", rows, err)
	}
}

// T79: an answer above the limit is refused, whatever it is made of, and the
// remedy works on the next connection.
func TestT79_LargeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.direct.SetRange(t.Context(), "big", 64<<20, "x").Err(); err != nil {
		t.Fatal(err)
	}
	pipe := b.direct.Pipeline()
	for n := range 300 {
		members := make([]any, 1000)
		for i := range members {
			members[i] = n*1000 + i
		}
		pipe.RPush(t.Context(), "long", members...)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := open(t, b.settings)
	for range 6 { // more than a pool holds
		for _, operation := range []json.RawMessage{op("GET", "big"), op("MGET", "canary", "big"), op("LRANGE", "long", "0", "-1")} {
			_, _, err := run(t, conn.Query, operation, nil)
			if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "LRANGE") {
				t.Errorf("%s: %v", operation, err)
			}
		}
	}
	for _, operation := range []json.RawMessage{op("GETRANGE", "big", "0", "9"), op("LRANGE", "long", "-3", "-1"), op("STRLEN", "big")} {
		if _, rows, err := run(t, conn.Query, operation, nil); err != nil || len(rows) == 0 {
			t.Errorf("%s: %v, %v", operation, rows, err)
		}
	}
}

func TestIntrospectGroupsKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, command := range []string{"SET user:1 a", "SET user:2 b", "HSET user:3 a 1", "ZADD scores 1 a", "XADD events 1-1 a b", "SET \xff:1 x"} {
		b.put(t, command)
	}
	schema, err := open(t, b.settings).(datasource.Introspector).Introspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range schema.Tables {
		got = append(got, table.Name+" "+table.Kind)
	}
	if want := []string{"events stream", "scores zset", "user:* hash", "user:* string", "\uFFFD:* string"}; !slices.Equal(got, want) || schema.Truncated {
		t.Errorf("got %q, truncated %v", got, schema.Truncated)
	}
	pipe := b.direct.Pipeline()
	for n := range 12_000 {
		pipe.Set(t.Context(), fmt.Sprint("n:", n), 1, 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	schema, err = open(t, b.settings).(datasource.Introspector).Introspect(t.Context())
	if err != nil || !schema.Truncated || !slices.ContainsFunc(schema.Tables, func(t datasource.Table) bool { return t.Name == "n:*" }) {
		t.Errorf("of many keys: %d tables, truncated %v, %v", len(schema.Tables), schema.Truncated, err)
	}
}

// T81: the settings are fields, and nothing that a URL could carry.
func TestT81_SettingsAreNoURL(t *testing.T) {
	t.Parallel()
	check := redis.Connector(redis.Config{}).(datasource.SettingsChecker).CheckSettings
	for _, host := range []string{"/var/run/redis.sock", "unix:///tmp/x", "redis://x", "a,b", "a:b@c", "a?db=1", "a b", "a\r\nFLUSHALL", "", ".."} {
		if err := check(datasource.Settings{Values: map[string]any{"host": host}}); !problem.Is(err, problem.Invalid) {
			t.Errorf("the host %q passes", host)
		}
	}
	for _, values := range []map[string]any{{"host": "a", "ca": "x", "sslmode": "verify-full"}, {"host": "a", "user": "u"}} {
		if err := check(datasource.Settings{Values: values}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%v passes", values)
		}
	}
	for _, f := range redis.Connector(redis.Config{}).Spec().Fields {
		switch f.Name {
		case "host", "port", "user", "password", "db", "sslmode", "ca":
		default:
			t.Errorf("%q can be set", f.Name)
		}
	}
}

// serve answers each connection with fn until the test ends.
func serve(t testing.TB, fn func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { stop(); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				fn(conn)
			})
		}
	})
	return l.Addr().String()
}

// T58, T90: whatever a server says, there is an error with a public text, no panic
// and no secret, in a bounded time and memory.
func TestT58_HostileServers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":             "",
		"a web server":        "HTTP/1.1 400 Bad Request\r\n\r\n",
		"a huge string":       "$10000000000\r\n",
		"a huge list":         "*1000000000\r\n",
		"lists without end":   strings.Repeat("*1\r\n", 1<<20),
		"a line without end":  "+" + strings.Repeat("x", 1<<20),
		"a map with list key": "%1\r\n*1\r\n:1\r\n:1\r\n",
		"a wrong answer":      strings.Repeat(":1\r\n", 10),
		"a refusal":           "-WRONGPASS canary-password is wrong\r\n",
		"no words":            "\r\n\r\n",
		"pushes":              strings.Repeat(">1\r\n+invalidate\r\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, func(c net.Conn) {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<20))
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			parsed, err := redis.Connector(redis.Config{}).Parse(op("LRANGE", "a", "0", "1"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = open(t, settingsOf(t, address)).Query(ctx, datasource.Statement{Operation: parsed, MaxRows: 10, MaxBytes: 1 << 20})
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			refusal, refused := errors.AsType[*datasource.StatementError](err)
			text := problem.Of(err).Message
			if refused {
				text = refusal.Message
			}
			if !refused && !problem.Is(err, problem.Upstream) || text == "" || strings.Contains(text, "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// T92: a command whose answer does not come ends with the caller's context, its
// connection is gone from the server, and the pool goes on.
func TestT92_CancelEndsTheConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "SET canary alive")
	target := b.direct.Options().Addr
	var hold sync.Map // connections whose answers are held back
	held := make(chan struct{}, 10)
	gone := make(chan struct{}, 10)
	holding := make(chan bool, 1)
	holding <- false
	address := serve(t, func(c net.Conn) {
		upstream, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(upstream, c)
			_ = upstream.Close() // as the client ended
			gone <- struct{}{}
		}()
		buf := make([]byte, 4096)
		for {
			n, err := upstream.Read(buf)
			if err != nil {
				return
			}
			now := <-holding
			holding <- now
			if now {
				hold.Store(c, true)
				held <- struct{}{}
				continue
			}
			_, _ = c.Write(buf[:n])
		}
	})
	settings := settingsOf(t, address)
	settings.Values["db"] = b.settings.Values["db"]
	conn := open(t, settings)
	if _, _, err := run(t, conn.Query, op("GET", "canary"), nil); err != nil {
		t.Fatal(err)
	}
	set := func(v bool) { <-holding; holding <- v }
	for range 6 { // more than a pool holds
		set(true)
		ctx, cancel := context.WithCancel(t.Context())
		parsed, err := redis.Connector(redis.Config{}).Parse(op("GET", "canary"))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Query(ctx, datasource.Statement{Operation: parsed, MaxRows: 1, MaxBytes: 1 << 20})
			ended <- err
		}()
		<-held
		began := time.Now()
		cancel()
		if err := <-ended; !problem.Is(err, problem.Upstream) {
			t.Errorf("got %v", err)
		}
		<-gone
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
		set(false)
		if _, rows, err := run(t, conn.Query, op("GET", "canary"), nil); err != nil || rows[0][0] != "alive" {
			t.Errorf("then %v, %v", rows, err)
		}
	}
}

// A connection that the server closed meanwhile is not a failure, and a write is
// not repeated on another.
func TestAPoolSurvivesTheEndOfItsConnections(t *testing.T) {
	t.Parallel()
	server, address := testdb.OwnRedis(t)
	conn := open(t, settingsOf(t, address))
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Crash()
	if err := conn.Ping(t.Context()); !problem.Is(err, problem.Upstream) {
		t.Errorf("got %v", err)
	}
	server.Start()
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	b := setup(t)
	certificate, key, ca := testdb.Certificate(t, "127.0.0.1")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, func(c net.Conn) {
		upstream, err := net.Dial("tcp", b.direct.Options().Addr)
		if err != nil {
			return
		}
		encrypted := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		go func() {
			_, _ = io.Copy(upstream, encrypted)
			_ = upstream.Close()
		}()
		_, _ = io.Copy(encrypted, upstream)
	})
	for name, c := range map[string]struct {
		values map[string]any
		ok     bool
	}{
		"require":           {map[string]any{"sslmode": "require"}, true},
		"verify-full":       {map[string]any{"sslmode": "verify-full", "ca": ca}, true},
		"unknown authority": {map[string]any{"sslmode": "verify-full"}, false},
		"another name":      {map[string]any{"sslmode": "verify-full", "ca": ca, "host": "localhost"}, false},
	} {
		s := settingsOf(t, address)
		for field, v := range c.values {
			s.Values[field] = v
		}
		err := open(t, s).Ping(t.Context())
		if (err == nil) != c.ok || err != nil && !strings.Contains(problem.Of(err).Message, "not trusted") {
			t.Errorf("%s: %v", name, err)
		}
		tlsStep := datasource.StepStatus("")
		redis.Connector(redis.Config{}).(datasource.Prober).Probe(t.Context(), s, func(step datasource.Step) {
			if step.Name == "tls" {
				tlsStep = step.Status
			}
		})
		if (tlsStep == datasource.StepOK) != c.ok || tlsStep == "" {
			t.Errorf("%s: the step is %q", name, tlsStep)
		}
	}
}
