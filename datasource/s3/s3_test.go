package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	store "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/s3"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// bucket is an empty bucket of a test in a real store, and a way around the
// connector.
type bucket struct {
	server testdb.S3Store
	name   string
	direct *store.Client
}

func newBucket(t testing.TB) *bucket {
	t.Helper()
	b := &bucket{server: testdb.S3(t), name: strings.ToLower(rand.Text())}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	b.direct = store.New(store.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + b.server.Address), UsePathStyle: true, HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: b.server.AccessKey, SecretAccessKey: b.server.SecretKey}, nil
		}),
	})
	if _, err := b.direct.CreateBucket(t.Context(), &store.CreateBucketInput{Bucket: &b.name}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bucket) put(t testing.TB, key, content string) {
	t.Helper()
	_, err := b.direct.PutObject(t.Context(), &store.PutObjectInput{Bucket: &b.name, Key: &key, Body: strings.NewReader(content), ContentType: aws.String("text/x-test")})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
}

// keys are all that is in the bucket, with the sizes.
func (b *bucket) keys(t testing.TB) string {
	t.Helper()
	var all []string
	pages := store.NewListObjectsV2Paginator(b.direct, &store.ListObjectsV2Input{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			all = append(all, fmt.Sprintf("%s:%d", *o.Key, *o.Size))
		}
	}
	return strings.Join(all, " ")
}

// settings confine a datasource to the prefix "in/".
func (b *bucket) settings(change ...any) datasource.Settings {
	s := datasource.Settings{
		TenantID: "0190163d-8694-739b-aea5-966c26f8ad90",
		Values: map[string]any{
			"endpoint": b.server.Address, "region": "us-east-1", "bucket": b.name, "prefix": "in/", "accessKey": b.server.AccessKey, "pathStyle": true, "tls": false,
		},
		Secrets: map[string]secret.Text{"secretKey": secret.NewText(b.server.SecretKey)},
		Egress:  egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	for i := 0; i < len(change); i += 2 {
		s.Values[change[i].(string)] = change[i+1]
	}
	return s
}

// front is a proxy before a store, where keys below "in/slow" get no answer.
func front(t testing.TB, address string) (at string, running *atomic.Int64) {
	t.Helper()
	running = new(atomic.Int64)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/in/slow") {
			running.Add(1)
			defer running.Add(-1)
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), running
}

func TestConformance(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	address, running := front(t, b.server.Address)
	b.put(t, "outside", "x")
	b.put(t, "in/large.txt", strings.Repeat("x", 1<<20))
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("c", i))
	}
	b.put(t, "in/wide.csv", strings.Join(names, ",")+"\n1\n")
	var group errgroup.Group
	group.SetLimit(16)
	for i := range 5000 {
		group.Go(func() error {
			_, err := b.direct.PutObject(t.Context(), &store.PutObjectInput{Bucket: &b.name, Key: aws.String(fmt.Sprintf("in/many/%04d", i)), Body: strings.NewReader("")})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	wrongSecret := b.settings()
	wrongSecret.Secrets = map[string]secret.Text{"secretKey": secret.NewText("canary-wrong-secret")}
	connectortest.Run(t, s3.Connector(), b.settings("endpoint", address), connectortest.Fixtures{
		Many:    json.RawMessage(`{"operation": "list", "prefix": "many/"}`),
		Wide:    json.RawMessage(`{"operation": "get", "key": "wide.csv", "as": "csv"}`),
		Large:   json.RawMessage(`{"operation": "get", "key": "large.txt", "as": "text"}`),
		Slow:    json.RawMessage(`{"operation": "get", "key": "slow/x"}`),
		Running: func(*testing.T) int { return int(running.Load()) },
		Refused: json.RawMessage(`{"operation": "get", "key": "nothing"}`),
		Write:   json.RawMessage(`{"operation": "put", "key": "notes/1", "content": "written"}`),
		Harmful: map[string]json.RawMessage{
			"delete":        json.RawMessage(`{"operation": "delete", "key": "many/0001"}`),
			"presigned PUT": json.RawMessage(`{"operation": "presign", "method": "PUT", "key": "many/0001"}`),
			"other bucket":  json.RawMessage(`{"operation": "get", "bucket": "x", "key": "y"}`),
			"other folder":  json.RawMessage(`{"operation": "get", "key": "../outside"}`),
			"unknown":       json.RawMessage(`{"operation": "deleteBucket"}`),
		},
		State: func(t *testing.T) string {
			all := b.keys(t)
			return fmt.Sprint(len(all), all[max(0, len(all)-200):])
		},
		Unreachable: map[string]datasource.Settings{
			"no such host":    b.settings("endpoint", "nowhere.invalid"),
			"closed port":     b.settings("endpoint", "127.0.0.1:1"),
			"refused address": b.settings("endpoint", "169.254.169.254"),
			"no such bucket":  b.settings("bucket", "nobody-made-this-bucket"),
			"no such account": b.settings("accessKey", "nobody"),
			"wrong secret":    wrongSecret,
			"TLS":             b.settings("tls", true),
		},
	})
}

// do runs an operation and returns its rows by the names of the columns.
func do(t testing.TB, s datasource.Settings, operation string, params map[string]any) ([]map[string]any, error) {
	t.Helper()
	op, err := s3.Connector().Parse(json.RawMessage(operation))
	if err != nil {
		return nil, err
	}
	conn, err := s3.Connector().Open(t.Context(), s)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	run := conn.Query
	if op.(interface{ Writes() bool }).Writes() {
		run = conn.(datasource.Execer).Exec
	}
	rows, err := run(t.Context(), datasource.Statement{Operation: op, Params: params, MaxRows: 10_000, MaxBytes: 10 << 20})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []map[string]any
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		named := map[string]any{}
		for i, c := range rows.Columns() {
			named[c.Name] = row[i]
		}
		all = append(all, named)
	}
}

func column(rows []map[string]any, name string) string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprint(r[name])
	}
	return strings.Join(list, " ")
}

func TestObjectsArePutReadAndDeleted(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	for _, c := range []struct {
		operation, as string
		v, want       any
	}{
		{`{"operation": "put", "key": "a/{{ k }}.txt", "content": "<{{ v }}>"}`, "text", "ü", "<ü>"},
		{`{"operation": "put", "key": "a/{{ k }}.txt", "content": "{{ v }}", "as": "json"}`, "json", json.RawMessage(`{"a": [1.50]}`), datasource.JSON(`{"a":[1.50]}`)},
		{`{"operation": "put", "key": "a/{{ k }}.txt", "content": {"x": "{{ v }}"}, "as": "json", "contentType": "application/x-{{ k }}"}`, "text", int64(1), `{"x":1}`},
		{`{"operation": "put", "key": "a/{{ k }}.txt", "content": "{{ v }}", "as": "base64"}`, "base64", "AP8B", []byte{0, 255, 1}},
	} {
		params := map[string]any{"k": "key", "v": c.v}
		put, err := do(t, b.settings(), c.operation, params)
		if err != nil || len(put) != 1 || put[0]["key"] != "a/key.txt" || put[0]["etag"] == "" {
			t.Errorf("%s: %v, %v", c.operation, put, err)
			continue
		}
		got, err := do(t, b.settings(), `{"operation": "get", "key": "a/key.txt", "as": "`+c.as+`"}`, nil)
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0]["content"], c.want) || got[0]["etag"] != put[0]["etag"] {
			t.Errorf("%s: got %v, %v", c.operation, got, err)
		}
		if strings.Contains(c.operation, "contentType") && got[0]["type"] != "application/x-key" {
			t.Errorf("the type is %v", got[0]["type"])
		}
	}
	head, err := do(t, b.settings(), `{"operation": "head", "key": "a/key.txt"}`, nil)
	if err != nil || head[0]["size"] != int64(3) || time.Since(head[0]["modified"].(time.Time)) > time.Hour {
		t.Errorf("got %v, %v", head, err)
	}
	for range 2 { // one that is not there is none to delete
		if _, err := do(t, b.settings(), `{"operation": "delete", "key": "a/{{ k }}.txt"}`, map[string]any{"k": "key"}); err != nil {
			t.Error(err)
		}
	}
	for _, op := range []string{"get", "head"} {
		_, err := do(t, b.settings(), `{"operation": "`+op+`", "key": "a/key.txt"}`, nil)
		if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || refusal.Code != "NoSuchKey" {
			t.Errorf("%s of what is not there: %v", op, err)
		}
	}
	if keys := b.keys(t); strings.Contains(keys, "key.txt") {
		t.Errorf("the bucket has %s", keys)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	for _, key := range []string{"in/a", "in/b/1", "in/b/2", "in/c/1", "in/d", "outside/x", "in.txt"} {
		b.put(t, key, key)
	}
	for _, c := range []struct{ operation, want string }{
		{`{"operation": "list"}`, "a b/1 b/2 c/1 d"},
		{`{"operation": "list", "delimiter": "/"}`, "a b/ c/ d"},
		{`{"operation": "list", "prefix": "b/"}`, "b/1 b/2"},
		{`{"operation": "list", "prefix": "b/{{ n }}"}`, "b/2"},
		{`{"operation": "list", "after": "b/1"}`, "b/2 c/1 d"},
		{`{"operation": "list", "prefix": "{{ none }}", "delimiter": ""}`, "a b/1 b/2 c/1 d"},
		{`{"operation": "list", "prefix": "nothing/"}`, ""},
	} {
		got, err := do(t, b.settings(), c.operation, map[string]any{"n": int64(2), "none": nil})
		if err != nil || column(got, "key") != c.want {
			t.Errorf("%s: got %s, %v", c.operation, column(got, "key"), err)
		}
	}
	got, err := do(t, b.settings(), `{"operation": "list", "prefix": "a"}`, nil)
	if err != nil || got[0]["size"] != int64(4) || got[0]["etag"] == "" || got[0]["modified"].(time.Time).Location() != time.UTC {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := do(t, b.settings("prefix", ""), `{"operation": "list"}`, nil); err != nil || len(got) != 7 {
		t.Errorf("without a prefix: %v, %v", got, err)
	}
}

func TestGetAsTable(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	var content bytes.Buffer
	content.WriteString("n;x\n")
	for i := range 9000 {
		fmt.Fprintf(&content, "%d;%d,5\n", i, i)
	}
	b.put(t, "in/table.csv", content.String())
	got, err := do(t, b.settings(), `{"operation": "get", "key": "table.csv", "as": "csv", "csv": {"decimal": ","}}`, nil)
	if err != nil || len(got) != 9000 || got[8999]["n"] != int64(8999) || got[8999]["x"] != 8999.5 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	b.put(t, "in/bad.csv", "a,b\n1,2,3\n")
	if _, err := do(t, b.settings(), `{"operation": "get", "key": "bad.csv", "as": "csv"}`, nil); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

func TestContentsHaveLimits(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.put(t, "in/large", strings.Repeat("x", 5<<20+1))
	b.put(t, "in/fits", strings.Repeat("x", 5<<20))
	b.put(t, "in/bytes", "\xff\x00")
	_, err := do(t, b.settings(), `{"operation": "get", "key": "large"}`, nil)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "larger than 5242880") {
		t.Errorf("got %v", err)
	}
	if got, err := do(t, b.settings(), `{"operation": "get", "key": "fits"}`, nil); err != nil || len(got[0]["content"].(string)) != 5<<20 {
		t.Errorf("got %v", err)
	}
	for _, as := range []string{"text", "json"} {
		if _, err := do(t, b.settings(), `{"operation": "get", "key": "bytes", "as": "`+as+`"}`, nil); err == nil {
			t.Errorf("bytes are taken for %s", as)
		}
	}
}

// T80: a value fills a key, and there is no key that leaves the prefix, becomes a
// header line or another operation.
func TestT80_ValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.put(t, "outside", "secret")
	b.put(t, "in.txt", "secret")
	stored := 0
	for _, v := range append(connectortest.Injections(), "../outside", "x/../../outside", "./a", "a//b", `..\outside`, "/outside", "\x00", strings.Repeat("ä", 600), ".. ", "%2e%2e/outside", "\xff") {
		params := map[string]any{"v": v}
		got, err := do(t, b.settings(), `{"operation": "put", "key": "{{ v }}", "content": "{{ v }}"}`, params)
		if err != nil {
			if _, refused := errors.AsType[*datasource.StatementError](err); !problem.Is(err, problem.Invalid) && !refused {
				t.Errorf("%q: %v", v, err)
			}
			continue
		}
		stored++
		if got[0]["key"] != v {
			t.Errorf("%q became the key %q", v, got[0]["key"])
		}
		back, err := do(t, b.settings(), `{"operation": "get", "key": "{{ v }}"}`, params)
		if err != nil || back[0]["content"] != v {
			t.Errorf("%q came back as %v, %v", v, back, err)
		}
		listed, err := do(t, b.settings(), `{"operation": "list", "prefix": "{{ v }}"}`, params)
		if err != nil || !slices.Contains(strings.Split(column(listed, "key"), " "), strings.Split(v, " ")[0]) {
			t.Errorf("%q is listed as %q, %v", v, column(listed, "key"), err)
		}
		if _, err := do(t, b.settings(), `{"operation": "delete", "key": "{{ v }}"}`, params); err != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
	if stored < 40 {
		t.Errorf("only %d of the corpus are keys", stored)
	}
	if keys := b.keys(t); keys != "in.txt:6 outside:6" {
		t.Errorf("the bucket has %s", keys)
	}
	for _, v := range []any{"a\r\nX-Injected: 1", "a\nb", "é", strings.Repeat("x", 201), []any{"a", "b"}} {
		_, err := do(t, b.settings(), `{"operation": "put", "key": "x", "content": "", "contentType": "text/{{ v }}"}`, map[string]any{"v": v})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("the type %q: %v", v, err)
		}
	}
	for _, v := range []any{nil, "", []any{"a"}} {
		if _, err := do(t, b.settings(), `{"operation": "get", "key": "{{ v }}"}`, map[string]any{"v": v}); !problem.Is(err, problem.Invalid) {
			t.Errorf("the key %v: %v", v, err)
		}
	}
}

// T108: a value never adds a step to the path that the author of a query wrote.
func TestT108_ValuesAddNoSteps(t *testing.T) {
	t.Parallel()
	s := (&bucket{server: testdb.S3Store{Address: "127.0.0.1:9", AccessKey: "a", SecretKey: "b"}, name: "bucket"}).settings()
	for _, operation := range []string{
		`{"operation": "get", "key": "users/{{ v }}/photo.png"}`, `{"operation": "get", "key": "{{ v }}.png"}`, `{"operation": "head", "key": "users/{{ v }}"}`,
		`{"operation": "put", "key": "{{ v }}{{ w }}", "content": "x"}`, `{"operation": "delete", "key": "users/{{ v }}"}`, `{"operation": "presign", "key": "users/{{ v }}"}`,
		`{"operation": "list", "prefix": "users/{{ v }}"}`, `{"operation": "list", "prefix": "", "after": "users/{{ v }}"}`,
	} {
		for _, v := range []string{"ada/private", "/ada", "ada/"} {
			_, err := do(t, s, operation, map[string]any{"v": v, "w": "w"})
			if e := problem.Of(err); !problem.Is(err, problem.Invalid) || len(e.Faults) == 0 || e.Faults[0].Path != "params.v" {
				t.Errorf("%s with %q: %v", operation, v, err)
			}
		}
	}
	got, err := do(t, s, `{"operation": "presign", "key": "{{ v }}"}`, map[string]any{"v": "users/ada/photo.png"})
	if err != nil || !strings.Contains(got[0]["url"].(string), "/in/users/ada/photo.png?") {
		t.Errorf("a key that is a value: %v, %v", got, err)
	}
	got, err = do(t, s, `{"operation": "presign", "key": "users/{{ v }}/photo.png"}`, map[string]any{"v": "ada"})
	if err != nil || !strings.Contains(got[0]["url"].(string), "/in/users/ada/photo.png?") {
		t.Errorf("a step that is a value: %v, %v", got, err)
	}
}

func TestPresign(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.put(t, "in/a b?.txt", "content")
	fetch := func(method, url, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		reply, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		return reply.StatusCode, string(text)
	}
	got, err := do(t, b.settings(), `{"operation": "presign", "key": "{{ k }}"}`, map[string]any{"k": "a b?.txt"})
	if err != nil {
		t.Fatal(err)
	}
	u := got[0]["url"].(string)
	if strings.Contains(u, b.server.SecretKey) || !strings.Contains(u, "X-Amz-Expires=300") || time.Until(got[0]["expires"].(time.Time)) > 5*time.Minute {
		t.Errorf("got %v", got)
	}
	if status, body := fetch("GET", u, ""); status != 200 || body != "content" {
		t.Errorf("%d: %s", status, body)
	}
	for name, other := range map[string]string{
		"another key": strings.Replace(u, "/in/", "/", 1), "a longer time": strings.Replace(u, "X-Amz-Expires=300", "X-Amz-Expires=3000", 1),
	} {
		if status, body := fetch("GET", other, ""); status < 400 || strings.Contains(body, "content") {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := fetch("PUT", u, "changed"); status < 400 {
		t.Errorf("a URL to read writes: %d", status)
	}
	got, err = do(t, b.settings(), `{"operation": "presign", "method": "PUT", "key": "new", "expires": 60}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := fetch("PUT", got[0]["url"].(string), "new"); status != 200 {
		t.Errorf("%d: %s", status, body)
	}
	if keys := b.keys(t); keys != "in/a b?.txt:7 in/new:3" {
		t.Errorf("the bucket has %s", keys)
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		`{}`, `{"operation": "List"}`, `{"operation": "copy", "key": "a"}`, `{"operation": "{{ op }}", "key": "a"}`, `{"operation": "get"}`, `{"operation": "get", "key": ""}`,
		`{"operation": "get", "key": "a", "content": "x"}`, `{"operation": "list", "key": "a"}`, `{"operation": "list", "delimiter": "x"}`, `{"operation": "get", "key": "{{ a b }}"}`,
		`{"operation": "put", "key": "a"}`, `{"operation": "put", "key": "a", "content": {}}`, `{"operation": "put", "key": "a", "content": "x", "as": "csv"}`,
		`{"operation": "put", "key": "a", "content": "x", "contentType": "a\r\nb"}`, `{"operation": "put", "key": "a", "content": "x", "headers": {}}`,
		`{"operation": "get", "key": "a", "as": "xml"}`, `{"operation": "get", "key": "a", "csv": {}}`, `{"operation": "get", "key": "a", "as": "csv", "csv": {"delimiter": ";"}}`,
		`{"operation": "get", "key": "a", "as": "csv", "csv": {"encoding": "ebcdic"}}`,
		`{"operation": "presign", "key": "a", "expires": 0}`, `{"operation": "presign", "key": "a", "expires": 3601}`, `{"operation": "presign", "key": "a", "method": "DELETE"}`,
	} {
		if _, err := s3.Connector().Parse(json.RawMessage(operation)); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
	_, err := s3.Connector().Parse(json.RawMessage(`{"operation": "put", "content": {}, "expires": 0, "method": "x"}`))
	if n := len(problem.Of(err).Faults); n < 4 {
		t.Errorf("%d faults: %v", n, err)
	}
}

func TestT81_SettingsAreChecked(t *testing.T) {
	t.Parallel()
	b := &bucket{server: testdb.S3Store{Address: "127.0.0.1:9", AccessKey: "a", SecretKey: "b"}, name: "bucket"}
	checker := s3.Connector().(datasource.SettingsChecker)
	if err := checker.CheckSettings(b.settings()); err != nil {
		t.Fatal(err)
	}
	for field, values := range map[string][]string{
		"endpoint":  {"http://x", "x/y", "a@b", "x?y", "x#y", "x y", ":9", "x:y", "[::1", "x/../y"},
		"bucket":    {"", "ab", "UPPER", "a/b", "a..b", "arn:aws:s3:::x", "a_b", "-ab", "ab?x", "../x"},
		"prefix":    {"a", "/a/", "a//b/", "../", "a/../", "a/./", `a\`, "/", "a\x00/"},
		"region":    {"", "us-east-1.evil.test", "a/b", "a b", "-a", "us east"},
		"accessKey": {"", "a b", "a\nb", "ä"},
	} {
		for _, v := range values {
			if !problem.Is(checker.CheckSettings(b.settings(field, v)), problem.Invalid) {
				t.Errorf("%s %q passes", field, v)
			}
		}
	}
}

// hostile answers everything with what it is told to.
func hostile(t *testing.T, answer http.HandlerFunc) *bucket {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return &bucket{server: testdb.S3Store{Address: strings.TrimPrefix(server.URL, "http://"), AccessKey: "a", SecretKey: "canary-secret"}, name: "bucket"}
}

// T79: a store that never stops, and one that sends what nobody asked for.
func TestT79_RepliesHaveAnEnd(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("<Contents><Key>in/x</Key></Contents>", 1000)
	for _, status := range []int{200, 500} {
		b := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<ListBucketResult>")
			for range 2000 { // 70 MB
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		})
		if _, err := do(t, b.settings(), `{"operation": "list"}`, nil); err == nil {
			t.Errorf("a reply of 70 MB with status %d was read", status)
		}
		if _, err := do(t, b.settings(), `{"operation": "get", "key": "x"}`, nil); err == nil {
			t.Errorf("a content of 70 MB with status %d was read", status)
		}
	}
	b := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<ListBucketResult><Contents><Key>outside</Key></Contents><Contents><Key>in/a</Key></Contents><Contents/></ListBucketResult>`)
	})
	if got, err := do(t, b.settings(), `{"operation": "list"}`, nil); err != nil || column(got, "key") != "a" {
		t.Errorf("got %v, %v", got, err)
	}
}

// T58, T73: what a store writes is not shown, and a redirect is not followed.
func TestT58_FailuresShowNothingOfTheStore(t *testing.T) {
	t.Parallel()
	other := hostile(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	for name, answer := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `<Error><Code>Internal canary!</Code><Message>canary</Message></Error>`)
		},
		"no XML": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); _, _ = io.WriteString(w, `canary`) },
		"broken": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<ListBucketResult><canary`) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+other.server.Address+"/canary", http.StatusTemporaryRedirect)
		},
	} {
		b := hostile(t, answer)
		for _, operation := range []string{`{"operation": "list"}`, `{"operation": "head", "key": "x"}`, `{"operation": "put", "key": "x", "content": "y"}`} {
			if name == "broken" && !strings.Contains(operation, "list") {
				continue
			}
			_, err := do(t, b.settings(), operation, nil)
			var text string
			if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
				text = refusal.Message + refusal.Code
			} else if e, ok := errors.AsType[*problem.Error](err); ok && e.Kind == problem.Upstream {
				text = e.Message + e.Remedy + e.Code
			} else {
				t.Errorf("%s, %s: %v", name, operation, err)
			}
			if strings.Contains(text, "canary") || strings.Contains(text, b.server.Address) {
				t.Errorf("%s, %s: shows %q", name, operation, text)
			}
		}
	}
}

func TestSpecIsOfThisType(t *testing.T) {
	t.Parallel()
	spec, err := datasource.CheckConnector(s3.Connector())
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, f := range spec.Fields {
		if f.Target {
			targets = append(targets, f.Name)
		}
	}
	// T63: whatever leads elsewhere forgets the secret.
	if got := strings.Join(targets, " "); got != "endpoint region bucket prefix accessKey pathStyle tls" {
		t.Errorf("got %s", got)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(spec.Operation, &schema); err != nil {
		t.Fatal(err)
	}
	want := []string{"after", "as", "content", "contentType", "csv", "delimiter", "expires", "key", "method", "operation", "prefix"}
	if got := slices.Sorted(maps.Keys(schema.Properties)); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
