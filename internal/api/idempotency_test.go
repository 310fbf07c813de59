package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
)

// counting is an operation that says how often it was done, and does what act
// says on the way.
func counting(t *testing.T, act func(n int64) error) (*world, *atomic.Int64) {
	var done atomic.Int64
	w := setupBare(t, func(a *API) {
		register(a, Operation{
			ID: "count", Method: http.MethodPost, Path: "/count", Access: SignedIn, Tag: "test", Summary: "Counts", Status: 201,
		}, func(context.Context, *struct {
			Body struct {
				Name string `json:"name"`
			} `nameHint:"Count"`
		}) (*created[map[string]any], error) {
			n := done.Add(1)
			if err := act(n); err != nil {
				return nil, err
			}
			return &created[map[string]any]{Location: "/x", Body: map[string]any{"n": n, "secret": "hunter2"}}, nil
		})
	})
	return w, &done
}

func nothing(int64) error { return nil }

func TestSameKeySameAnswer(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setupOn(t, db, "")
		ada := w.as("ada")
		keyed := ada.with(idempotencyHeader, "first")
		one := keyed.call("POST", "/tenants", `{"name":"Acme"}`).want(201)
		two := keyed.call("POST", "/tenants", `{"name":"Acme"}`).want(201)
		if string(one.Body) != string(two.Body) || two.Header.Get("Location") != one.Header.Get("Location") || two.Header.Get("ETag") != `"1"` {
			t.Fatalf("%s %v, then %s %v", one.Body, one.Header, two.Body, two.Header)
		}
		if one.Header.Get(replayedHeader) != "" || two.Header.Get(replayedHeader) != "true" {
			t.Fatal("a repetition does not say that it is one")
		}
		if one.Header.Get("X-Request-Id") == two.Header.Get("X-Request-Id") {
			t.Fatal("the repetition has the request id of the first")
		}
		if n := len(ada.call("GET", "/tenants", nil).want(200).field("items").([]any)); n != 1 {
			t.Fatalf("%d tenants", n)
		}
		if code := keyed.call("POST", "/tenants", `{"name":"Other"}`).want(409).problem().Code; code != "idempotency_key_reused" {
			t.Fatalf("another body: %s", code)
		}
		tenant := "/tenants/" + one.text("id")
		// A key is of one caller and one tenant.
		w.as("bob").with(idempotencyHeader, "first").call("POST", "/tenants", `{"name":"Other"}`).want(201)
		keyed.call("POST", tenant+"/roles", `{"name":"R","permissions":["query.read"]}`).want(201)

		key := keyed.with(idempotencyHeader, "key")
		secret := key.call("POST", tenant+"/apikeys", `{"name":"k","scopes":["query.read"]}`).want(201).text("key")
		again := key.call("POST", tenant+"/apikeys", `{"name":"k","scopes":["query.read"]}`).want(409)
		if again.problem().Code != "idempotency_reply_lost" || again.problem().Remedy == "" || strings.Contains(string(again.Body), secret) {
			t.Fatalf("a secret is shown once: %s", again.Body)
		}
		if n := len(ada.call("GET", tenant+"/apikeys", nil).want(200).field("items").([]any)); n != 1 {
			t.Fatalf("%d keys", n)
		}
		var rows []idempotencyRow
		must(t, db.NewSelect().Model(&rows).Comment("across tenants: looks for the secret").Scan(t.Context()))
		for _, row := range rows {
			if row.Reply == nil || strings.Contains(*row.Reply, secret) || strings.Contains(string(row.Request), "query.read") {
				t.Fatalf("row %s/%s keeps what it must not", row.Actor, row.Key)
			}
		}
	})
}

// T30: who has lost a right gets nothing by it again, nor does whoever has come to see
// less: what was read is read anew, and the answer to a change is kept for the rights
// with which it was made.
func TestT30_ARepetitionNeedsTheRight(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s, eve := newStoreroom(t, w), w.as("eve")
	role := s.ada.call("POST", s.tenant+"/roles", `{"name":"Clerk","permissions":["query.execute","role.*"]}`).want(201).text("id")
	w.addMember(s.ada, s.tenant, eve, role)
	read, change := eve.with(idempotencyHeader, "read"), eve.with(idempotencyHeader, "change")
	run := func() *answer { return read.call("POST", s.tenant+s.query+"/run", nil) }
	first := run().want(200).text("executionId")
	if again := run().want(200); again.text("executionId") == first || again.Header.Get(replayedHeader) != "" {
		t.Errorf("it was not read again: %s", again.Body)
	}
	create := func() *answer { return change.call("POST", s.tenant+"/roles", `{"name":"New","permissions":[]}`) }
	create().want(201)
	if again := create().want(201); again.Header.Get(replayedHeader) != "true" {
		t.Errorf("it was done again: %s", again.Body)
	}
	s.ada.call("PATCH", s.tenant+"/roles/"+role, `{"permissions":["tenant.read"]}`).want(200)
	run().want(403)
	if again := create().want(409); again.problem().Code != "idempotency_rights_changed" || strings.Contains(string(again.Body), "New") {
		t.Errorf("an answer without the right: %s", again.Body)
	}
}

func TestKeyOfAFailedCallIsFree(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]func() error{
		"500":   func() error { return errSecretCause },
		"409":   func() error { return problem.New(problem.Conflict, "", "taken") },
		"panic": func() error { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, done := counting(t, func(n int64) error {
				if n == 1 {
					return failure()
				}
				return nil
			})
			keyed := w.as("ada").with(idempotencyHeader, "k")
			if first := keyed.call("POST", "/count", `{"name":"a"}`); first.Status < 400 {
				t.Fatalf("status %d", first.Status)
			}
			keyed.call("POST", "/count", `{"name":"b"}`).want(201)
			keyed.call("POST", "/count", `{"name":"b"}`).want(201)
			if done.Load() != 2 {
				t.Fatalf("done %d times", done.Load())
			}
		})
	}
}

// A call is recognised after another key was put in front of the server's; when the
// key of its time is gone, it is not done again.
func TestKeysOutliveARotationOfKeys(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setupOn(t, db, "")
		ctx := t.Context()
		oldKey, newKey := secret.NewKey(), secret.NewKey()
		with := func(keys ...[]byte) *idempotency {
			ring, err := secret.NewKeyring(keys...)
			must(t, err)
			cfg := w.cfg
			cfg.Keys = ring
			return newIdempotency(cfg)
		}
		asked := call{actor: "user:ada", tenantID: "", key: "k", request: []byte("hash")}
		before := with(oldKey)
		if kept, err := before.begin(ctx, asked); err != nil || kept != nil {
			t.Fatalf("got %v, %v", kept, err)
		}
		answer := newReply()
		answer.WriteHeader(201)
		must(t, before.keep(ctx, asked, answer))
		during := with(newKey, oldKey)
		if kept, err := during.begin(ctx, asked); err != nil || kept == nil || kept.Status != 201 {
			t.Errorf("the same call with another key in front: %v, %v", kept, err)
		}
		other := asked
		other.request = []byte("other")
		if _, err := during.begin(ctx, other); problem.Of(err).Code != "idempotency_key_reused" {
			t.Errorf("another call: %v", err)
		}
		if _, err := with(newKey).begin(ctx, asked); problem.Of(err).Code != "idempotency_key_unreadable" || problem.Of(err).Remedy == "" {
			t.Errorf("without the key: %v", err)
		}
	})
}

func TestKeyInUse(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	w, done := counting(t, func(int64) error {
		close(entered)
		<-leave
		return nil
	})
	keyed := w.as("ada").with(idempotencyHeader, "k")
	first := make(chan *answer)
	go func() { first <- keyed.call("POST", "/count", `{"name":"a"}`) }()
	<-entered
	answer := keyed.call("POST", "/count", `{"name":"a"}`).want(409)
	if answer.problem().Code != "idempotency_key_in_use" || answer.Header.Get("Retry-After") != "1" {
		t.Fatalf("%s %v", answer.Body, answer.Header)
	}
	close(leave)
	(<-first).want(201)
	keyed.call("POST", "/count", `{"name":"a"}`).want(201)
	if done.Load() != 1 {
		t.Fatalf("done %d times", done.Load())
	}
}

func TestManyCallsWithOneKey(t *testing.T) {
	t.Parallel()
	w, done := counting(t, nothing)
	keyed := w.as("ada").with(idempotencyHeader, "k")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status := keyed.call("POST", "/count", `{"name":"a"}`).Status; status != 201 && status != 409 {
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Fatalf("done %d times", done.Load())
	}
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	w, done := counting(t, nothing)
	for i := range 3 {
		w.as("ada").with(idempotencyHeader, fmt.Sprint("old", i)).call("POST", "/count", `{"name":"a"}`).want(201)
	}
	w.advance(keyLifetime - time.Second)
	w.as("ada").with(idempotencyHeader, "old0").call("POST", "/count", `{"name":"a"}`).want(201)
	if done.Load() != 3 {
		t.Fatal("a key was forgotten before its time")
	}
	w.advance(2 * time.Second)
	w.as("ada").with(idempotencyHeader, "old0").call("POST", "/count", `{"name":"a"}`).want(201)
	if done.Load() != 4 {
		t.Fatal("a key outlived its time")
	}
	var left []idempotencyRow
	must(t, w.cfg.DB.NewSelect().Model(&left).Comment("across tenants: lists what is left").Scan(t.Context()))
	if len(left) != 1 {
		t.Fatalf("%d keys are left, want only the new one", len(left))
	}
}

func TestLargeReplyIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	var done atomic.Int64
	w := setupBare(t, func(a *API) {
		register(a, Operation{
			ID: "large", Method: http.MethodPost, Path: "/large", Access: SignedIn, Tag: "test", Summary: "Replies at length",
		}, func(context.Context, *struct{}) (*output[string], error) {
			done.Add(1)
			return reply200(strings.Repeat("a", maxKeptReply), nil)
		})
	})
	keyed := w.as("ada").with(idempotencyHeader, "k")
	keyed.call("POST", "/large", nil).want(200)
	if code := keyed.call("POST", "/large", nil).want(409).problem().Code; code != "idempotency_reply_lost" || done.Load() != 1 {
		t.Fatalf("%s, done %d times", code, done.Load())
	}
}

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	w, _ := counting(t, nothing)
	for _, key := range []string{"", "a b", "a\tb", "ü", strings.Repeat("a", maxKey+1)} {
		w.as("ada").with(idempotencyHeader, key).call("POST", "/count", `{"name":"a"}`).want(422)
	}
	w.as("ada").with(idempotencyHeader, strings.Repeat("a", maxKey)).call("POST", "/count", `{"name":"a"}`).want(201)
}

// A call may take longer than what becomes of its key may take to write down.
func TestKeyOfALongCallIsKept(t *testing.T) {
	t.Parallel()
	const settle = time.Second
	var done atomic.Int64
	w := setupBare(t, func(a *API) {
		a.keys.settle = settle
		register(a, Operation{
			ID: "long", Method: http.MethodPost, Path: "/long", Access: SignedIn, Tag: "test", Summary: "Takes its time",
		}, func(ctx context.Context, _ *struct{}) (*output[string], error) {
			done.Add(1)
			ctx, cancel := context.WithTimeout(ctx, settle)
			defer cancel()
			<-ctx.Done()
			return reply200("done", nil)
		})
	})
	keyed := w.as("ada").with(idempotencyHeader, "k")
	keyed.call("POST", "/long", nil).want(200)
	keyed.call("POST", "/long", nil).want(200)
	if done.Load() != 1 {
		t.Fatalf("done %d times", done.Load())
	}
}

// However many keys expire at a time, none outlives the traffic that follows.
func TestExpiredKeysDoNotPileUp(t *testing.T) {
	t.Parallel()
	w, _ := counting(t, nothing)
	ada := w.as("ada")
	ada.with(idempotencyHeader, "first").call("POST", "/count", `{"name":"a"}`).want(201)
	old := make([]idempotencyRow, 3*pruneBatch)
	for i := range old {
		old[i] = idempotencyRow{Actor: "user:somebody", Key: fmt.Sprint("old", i), Request: []byte("r"), CreatedAt: w.clock().Now()}
	}
	_, err := w.cfg.DB.NewInsert().Model(&old).Comment("across tenants: keys of nobody's").Exec(t.Context())
	must(t, err)
	w.advance(keyLifetime + time.Second)
	for i := range 5 {
		ada.with(idempotencyHeader, fmt.Sprint("new", i)).call("POST", "/count", `{"name":"a"}`).want(201)
	}
	var left []idempotencyRow
	must(t, w.cfg.DB.NewSelect().Model(&left).Comment("across tenants: lists what is left").Scan(t.Context()))
	if len(left) != 5 {
		t.Fatalf("%d keys are left, want the 5 new ones", len(left))
	}
}
