package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/redis"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bundle is a database of the test's own in a real server.
type bundle struct {
	direct   *goredis.Client // around the connector
	settings datasource.Settings
}

func setup(t testing.TB) bundle {
	t.Helper()
	return connected(t, testdb.Redis(t))
}

func connected(t testing.TB, options *goredis.Options) bundle {
	t.Helper()
	b := bundle{direct: goredis.NewClient(options)}
	t.Cleanup(func() { _ = b.direct.Close() })
	b.settings = settingsOf(t, options.Addr)
	b.settings.Values["db"] = int64(options.DB)
	return b
}

func settingsOf(t testing.TB, address string) datasource.Settings {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.ParseInt(port, 10, 64)
	return datasource.Settings{
		Values:  map[string]any{"host": host, "port": n, "db": int64(0), "sslmode": "disable"},
		Secrets: map[string]secret.Text{"password": secret.NewText("canary-password")}, // the default user of the server takes any
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
	}
}

func (b bundle) with(values map[string]any) datasource.Settings {
	s := b.settings
	s.Values = map[string]any{}
	for name, value := range b.settings.Values {
		s.Values[name] = value
	}
	for name, value := range values {
		s.Values[name] = value
	}
	return s
}

// put runs a command around the connector.
func (b bundle) put(t testing.TB, command string) {
	t.Helper()
	var args []any
	for _, word := range strings.Fields(command) {
		args = append(args, word)
	}
	if err := b.direct.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// op writes an operation: a command and its arguments, apart at spaces.
func op(command string, args ...string) json.RawMessage {
	out, _ := json.Marshal(map[string]any{"command": command, "args": args})
	return out
}

func open(t testing.TB, s datasource.Settings) datasource.Conn {
	t.Helper()
	conn, err := redis.Connector(redis.Config{}).Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

type runner func(context.Context, datasource.Statement) (datasource.Rows, error)

func run(t testing.TB, do runner, operation json.RawMessage, params map[string]any) ([]datasource.Column, [][]any, error) {
	t.Helper()
	parsed, err := redis.Connector(redis.Config{}).Parse(operation)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	rows, err := do(t.Context(), datasource.Statement{Operation: parsed, Params: params, MaxRows: 100, MaxBytes: 1 << 20})
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var all [][]any
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return rows.Columns(), all, nil
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, slices.Clone(row))
	}
}

// state is all that a harmful command could change.
func (b bundle) state(t *testing.T) string {
	t.Helper()
	keys, err := b.direct.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	var out strings.Builder
	for _, key := range keys {
		dump, err := b.direct.Dump(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		ttl, err := b.direct.PTTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s=%x %v;", key, dump, ttl >= 0)
	}
	return out.String()
}

func harmful() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for _, command := range []string{
		"SET canary x", "DEL canary", "FLUSHALL", "FLUSHDB", "flushall", " FlushAll ", "KEYS *", "EVAL return 0", "EVAL_RO return 0", "EVALSHA x 0", "FCALL f 0",
		"FUNCTION LOAD x", "SCRIPT FLUSH", "CONFIG SET dir /tmp", "CONFIG GET *", "MODULE LOAD /tmp/x.so", "SHUTDOWN NOSAVE", "DEBUG SLEEP 1", "DEBUG SEGFAULT", "ACL SETUSER x on",
		"REPLICAOF no one", "SLAVEOF 127.0.0.1 1", "MIGRATE 127.0.0.1 1 canary 0 10", "RESTORE x 0 y", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1000", "SAVE", "BGSAVE", "MONITOR", "SYNC", "PSYNC ? -1",
		"SUBSCRIBE x", "PSUBSCRIBE *", "BLPOP list 0", "BRPOP list 0", "BLMOVE a b LEFT LEFT 0", "BZPOPMIN z 0", "WAIT 1 0", "XREAD BLOCK 0 STREAMS s $", "XREAD COUNT 1 block 0 STREAMS s $", "XREADGROUP GROUP a b STREAMS s >",
		"SELECT 0", "SWAPDB 0 1", "MULTI", "EXEC", "AUTH x", "HELLO 2", "RESET", "QUIT", "MOVE canary 1", "COPY canary x DB 1", "SORT list STORE x", "GEORADIUS g 1 1 1 km STORE x", "BITFIELD canary SET u8 0 1",
		"GETEX canary EX 100", "GETDEL canary", "GETSET canary x", "EXPIRE canary 100", "RENAME canary x", "LPOP list", "SPOP set", "ZPOPMIN z", "XTRIM s MAXLEN 0", "PFMERGE a b", "SINTERSTORE x a b",
		"GETKEYS", "NOSUCHCOMMAND", "", "GET canary\r\nFLUSHALL", "OBJECT", "OBJECT HELP", "XINFO", "MEMORY DOCTOR", "MEMORY PURGE", "INFO", "COMMAND", "{{ v }} canary",
	} {
		words := strings.Fields(command)
		name, args := "", []string(nil)
		if len(words) > 0 {
			name, args = words[0], words[1:]
		}
		all[command] = op(name, args...)
		all["as one word: "+command] = op(command)
	}
	delete(all, "as one word: ")
	return all
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "SET canary alive")
	b.put(t, "HSET user:1 name Ada")
	for i := range 6 {
		b.put(t, "RPUSH list"+strings.Repeat(fmt.Sprintf(" element-%d", i), 1000))
	}
	b.put(t, "SET large "+strings.Repeat("x", 1<<20))
	stranger := b.with(map[string]any{"user": "nobody"})
	connectortest.Run(t, redis.Connector(redis.Config{}), b.settings, connectortest.Fixtures{
		Echo:    func(datasource.ParamType) json.RawMessage { return op("ECHO", "{{ v }}") },
		NoNull:  true,
		Many:    op("LRANGE", "list", "0", "-1"),
		Large:   op("GET", "large"),
		Refused: op("HGETALL", "canary"),
		Write:   op("SADD", "written", "x"),
		Harmful: harmful(),
		State:   b.state,
		Unreachable: map[string]datasource.Settings{
			"no such host":     b.with(map[string]any{"host": "nowhere.invalid"}),
			"closed port":      b.with(map[string]any{"port": int64(1)}),
			"no TLS there":     b.with(map[string]any{"sslmode": "require"}),
			"no such database": b.with(map[string]any{"db": int64(1 << 20)}),
			"no such user":     stranger,
			"refused address":  b.with(map[string]any{"host": "169.254.169.254"}),
		},
	})
}

// T80: each of the corpus stays one argument: as a key, a value, a field, a part
// of a key, in a list, and where an option could stand.
func TestT80_ValuesStayArguments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := open(t, b.settings)
	exec := conn.(datasource.Execer).Exec
	corpus := append(connectortest.Injections(), "x\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "$-1\r\n", "NX", "GET", "BLOCK", "STORE", "*", "[a-z]", "h?llo", "{slot}")
	b.put(t, "SET canary alive")
	list := []any{}
	for _, v := range corpus {
		list = append(list, v)
		params := map[string]any{"v": v}
		if _, _, err := run(t, exec, op("SET", "key:{{ v }}", "{{ v }}"), params); err != nil {
			t.Errorf("SET %q: %v", v, err)
		}
		if got := b.direct.Get(t.Context(), "key:"+v).Val(); got != v {
			t.Errorf("%q is kept as %q", v, got)
		}
		if _, rows, err := run(t, conn.Query, op("GET", "key:{{ v }}"), params); err != nil || rows[0][0] != v {
			t.Errorf("%q is read as %v, %v", v, rows, err)
		}
		if _, _, err := run(t, exec, op("HSET", "hash", "{{ v }}", "<{{ v }}>"), params); err != nil {
			t.Errorf("HSET %q: %v", v, err)
		}
		if got := b.direct.HGet(t.Context(), "hash", v).Val(); got != "<"+v+">" {
			t.Errorf("the field %q is kept as %q", v, got)
		}
	}
	if _, _, err := run(t, exec, op("RPUSH", "list", "{{ v }}"), map[string]any{"v": list}); err != nil {
		t.Fatal(err)
	}
	_, rows, err := run(t, conn.Query, op("LRANGE", "list", "0", "-1"), nil)
	var got []any
	for _, row := range rows {
		got = append(got, row[0])
	}
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("the list came back as %q, %v", got, err)
	}
	if b.direct.Get(t.Context(), "canary").Val() != "alive" {
		t.Error("the canary is gone")
	}
	for _, bad := range []struct {
		operation json.RawMessage
		params    map[string]any
	}{
		{op("XREAD", "{{ v }}", "0", "STREAMS", "s", "$"), map[string]any{"v": "BLOCK"}},
		{op("XREAD", "COUNT", "{{ n }}", "{{ v }}", "0", "STREAMS", "s", "$"), map[string]any{"v": "block", "n": int64(1)}},
		{op("XREAD", "{{ v }}", "STREAMS", "s", "$"), map[string]any{"v": []any{"BLOCK", "0"}}},
		{op("GET", "x{{ v }}"), map[string]any{"v": []any{"a", "b"}}},
		{op("DEL", "{{ v }}"), map[string]any{"v": []any{}}},
		{op("GET", "{{ v }}"), map[string]any{"v": nil}},
		{op("MGET", "{{ v }}"), map[string]any{"v": []any{"a", nil}}},
	} {
		if _, _, err := run(t, exec, bad.operation, bad.params); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s with %v: %v", bad.operation, bad.params, err)
		}
	}
}

// T86: the commands that the list calls reading are so for the server, and one
// that it does not call so is refused, whatever the list says.
func TestT86_TheServerConfirmsReading(t *testing.T) {
	t.Parallel()
	_, address := testdb.OwnRedis(t, "--rename-command", "GET", "OLDGET", "--rename-command", "SET", "GET")
	b := connected(t, &goredis.Options{Addr: address})
	conn := open(t, b.settings)
	if _, _, err := run(t, conn.Query, op("GET", "key", "value"), nil); err == nil {
		t.Error("a command that writes under another name was not refused")
	}
	if n := b.direct.Exists(t.Context(), "key").Val(); n != 0 {
		t.Error("it has written")
	}
	if _, _, err := run(t, conn.Query, op("STRLEN", "key"), nil); err != nil {
		t.Error(err)
	}
}

// A user without rights is told so, and one who may not ask for COMMAND INFO can
// read.
func TestT86_AnAccountWithoutRightsStaysWithoutThem(t *testing.T) {
	t.Parallel()
	_, address := testdb.OwnRedis(t)
	b := connected(t, &goredis.Options{Addr: address})
	b.put(t, "ACL SETUSER reader on >canary-password ~open:* resetchannels -@all +@read +ping +select +hello")
	b.put(t, "SET open:a 1")
	b.put(t, "SET closed 1")
	settings := b.with(map[string]any{"user": "reader"})
	conn := open(t, settings)
	if _, rows, err := run(t, conn.Query, op("GET", "open:a"), nil); err != nil || rows[0][0] != "1" {
		t.Errorf("got %v, %v", rows, err)
	}
	for _, operation := range []json.RawMessage{op("GET", "closed"), op("SET", "open:a", "2")} {
		_, _, err := run(t, conn.(datasource.Execer).Exec, operation, nil)
		refusal, ok := errors.AsType[*datasource.StatementError](err)
		if !ok || refusal.Code != "NOPERM" || strings.Contains(refusal.Message, "reader") {
			t.Errorf("%s: %v", operation, err)
		}
	}
	for name, c := range map[string]struct {
		settings      datasource.Settings
		rights, write string
	}{
		"reader":        {settings, "", "the user can only read"},
		"administrator": {b.settings, "the user administers the server", "the user can write"},
	} {
		steps := map[string]datasource.Step{}
		redis.Connector(redis.Config{}).(datasource.Prober).Probe(t.Context(), c.settings, func(s datasource.Step) { steps[s.Name] = s })
		if steps["rights"].Message != c.rights || steps["write"].Message != c.write {
			t.Errorf("%s: %+v", name, steps)
		}
	}
}
