package workflow_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

func withKeys(t testing.TB) func(*workflow.Config) {
	t.Helper()
	keys, err := secret.NewKeyring(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return func(c *workflow.Config) { c.Keys = keys }
}

// sender is another system that delivers to a webhook.
type sender struct {
	b      *bundle
	hook   workflow.Webhook
	secret string
	now    func() time.Time
}

func (b *bundle) webhook(t testing.TB, in workflow.NewWebhook) *sender {
	t.Helper()
	if in.Name == "" {
		in.Name = id.New()
	}
	hook, secret, err := b.CreateWebhook(b.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return &sender{b, hook, secret, time.Now}
}

func (s *sender) key() string { return strings.TrimPrefix(s.hook.Path, "/hooks/") }

// signature is what the documentation tells senders to send.
func (s *sender) signature(at time.Time, body string) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte(seconds + "." + body))
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// delivery is a signed one.
func (s *sender) delivery(body string, headers ...string) workflow.Delivery {
	d := workflow.Delivery{Method: http.MethodPost, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}}}
	d.Header.Set(workflow.SignatureHeader, s.signature(s.now(), body))
	for i := 0; i+1 < len(headers); i += 2 {
		d.Header.Set(headers[i], headers[i+1])
	}
	return d
}

func (s *sender) deliver(d workflow.Delivery) (workflow.Receipt, error) {
	return s.b.Deliver(context.Background(), s.key(), d)
}

func (s *sender) mustDeliver(t testing.TB, d workflow.Delivery) workflow.Receipt {
	t.Helper()
	r, err := s.deliver(d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWebhookStartsARun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain()), Headers: []string{"X-Shop", "X-Absent"}})
		d := s.delivery(`{"total": 12345678901234567890, "items": ["a"]}`, "X-Shop", "Berlin", "X-Other", "no", "Authorization", "Bearer no")
		d.Query = url.Values{"a": {"1"}, "b": {"2", "3"}}
		r := s.mustDeliver(t, d)
		run := b.wait(t, r.Run.ID)
		want := `{"body":{"items":["a"],"total":12345678901234567890},"encoding":"json","headers":{"x-shop":"Berlin"},"method":"POST","query":{"a":"1","b":["2","3"]}}`
		if got := encoded(run.Input); got != want {
			t.Errorf("input\n%s, want\n%s", got, want)
		}
		if run.Trigger != workflow.TriggerWebhook || run.StartedBy != "service:webhook:"+s.hook.ID || r.Duplicate {
			t.Errorf("%s", encoded(run.Run))
		}
	})
}

func TestWebhookReadsBodies(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain())})
		tests := []struct{ media, body, want string }{
			{"application/json", `null`, `"body":null,"encoding":"json"`},
			{"application/vnd.github+json; charset=utf-8", `[1]`, `"body":[1],"encoding":"json"`},
			{"application/x-www-form-urlencoded", "a=1&b=2&b=%FF", `"body":{"a":"1","b":["2","` + "\uFFFD" + `"]},"encoding":"form"`},
			{"text/plain", "héllo\x00", `"body":"héllo\u0000","encoding":"text"`},
			{"", "x", `"body":"x","encoding":"text"`},
			{"application/octet-stream", "\xff\x00", `"body":"/wA=","encoding":"base64"`},
			{"application/json", "", `"body":null,"encoding":"none"`},
		}
		for _, test := range tests {
			run := b.wait(t, s.mustDeliver(t, s.delivery(test.body, "Content-Type", test.media, "Jetadmin-Delivery", id.New())).Run.ID)
			if got := encoded(run.Input); !strings.Contains(got, test.want) {
				t.Errorf("%s %q: %s, want %s", test.media, test.body, got, test.want)
			}
		}
		for _, bad := range []struct{ media, body string }{
			{"application/json", `{`}, {"application/json", `{} {}`}, {"application/json", "\xff"}, {"application/x-www-form-urlencoded", "%zz"},
		} {
			if _, err := s.deliver(s.delivery(bad.body, "Content-Type", bad.media)); problem.KindOf(err) != problem.Invalid {
				t.Errorf("%s %q: %v", bad.media, bad.body, err)
			}
		}
		if _, err := s.deliver(s.delivery(strings.Repeat("x", workflow.MaxWebhookBody+1))); problem.KindOf(err) != problem.TooLarge {
			t.Errorf("a large body: %v", err)
		}
	})
}

func TestT101_ForgedDeliveriesAreRefused(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		flow := b.publish(t, chain())
		s, other := b.webhook(t, workflow.NewWebhook{WorkflowID: flow}), b.webhook(t, workflow.NewWebhook{WorkflowID: flow})
		body := `{"a":1}`
		now := time.Now()
		good := s.signature(now, body)
		unproven := map[string][]string{
			"no signature":           nil,
			"an empty one":           {""},
			"two":                    {good, good},
			"of another webhook":     {other.signature(now, body)},
			"of another body":        {s.signature(now, `{"a":2}`)},
			"one digit changed":      {good[:len(good)-1] + flip(good[len(good)-1:])},
			"another time":           {strings.Replace(good, "t=1", "t=2", 1)},
			"time written with +":    {strings.Replace(good, "t=", "t=+", 1)},
			"time with zeros":        {strings.Replace(good, "t=", "t=0", 1)},
			"two times":              {good + ",t=" + strconv.FormatInt(now.Unix(), 10)},
			"without time":           {good[strings.Index(good, "v1="):]},
			"without v1":             {good[:strings.Index(good, ",")]},
			"v1 cut off":             {good[:len(good)-2]},
			"v1 too long":            {good + "00"},
			"another version":        {strings.Replace(good, "v1=", "v2=", 1)},
			"too many":               {good + strings.Repeat(",v1="+strings.Repeat("0", 64), 8)},
			"too long":               {good + "," + strings.Repeat("x=1,", 300) + "x=1"},
			"the secret in plain":    {s.secret},
			"of the empty secret":    {(&sender{secret: ""}).signature(now, body)},
			"the mask of a secret":   {(&sender{secret: secret.Mask}).signature(now, body)},
			"no timestamp is signed": {"t=" + strconv.FormatInt(now.Unix(), 10) + ",v1=" + plainMAC(s.secret, body)},
		}
		for name, headers := range unproven {
			d := s.delivery(body)
			d.Header[workflow.SignatureHeader] = headers
			if _, err := s.deliver(d); problem.KindOf(err) != problem.Unauthenticated || problem.Of(err).Code != "delivery_unproven" {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, at := range map[string]time.Time{"late": now.Add(-6 * time.Minute), "from the future": now.Add(6 * time.Minute), "of 1970": time.Unix(0, 0)} {
			d := s.delivery(body)
			d.Header.Set(workflow.SignatureHeader, s.signature(at, body))
			if _, err := s.deliver(d); problem.KindOf(err) != problem.Unauthenticated || problem.Of(err).Code != "delivery_late" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if runs := b.runsOf(t, flow); len(runs) != 0 {
			t.Fatalf("%d runs were started", len(runs))
		}
		d := s.delivery(body)
		d.Header.Set(workflow.SignatureHeader, s.signature(now.Add(-4*time.Minute), body)+", v1="+strings.Repeat("0", 64)+",x=1")
		s.mustDeliver(t, d)
	})
}

func plainMAC(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func flip(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

// T101: whatever does not lead to an enabled webhook gets one and the same answer.
func TestT101_WrongPathsAreAlike(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain())})
		off := b.webhook(t, workflow.NewWebhook{WorkflowID: s.hook.WorkflowID, Disabled: true})
		key := s.key()
		var first string
		for name, key := range map[string]string{
			"unknown": strings.Repeat("a", len(key)), "disabled": off.key(), "empty": "", "its id": s.hook.ID, "cut off": key[:len(key)-1],
			"longer": key + "a", "another case": swapCase(key), "a pattern": "%", "NUL": "\x00", "long": strings.Repeat("x", 100_000),
		} {
			_, err := b.Deliver(context.Background(), key, s.delivery(`{}`))
			if problem.KindOf(err) != problem.NotFound {
				t.Errorf("%s: %v", name, err)
				continue
			}
			answer := fmt.Sprintf("%+v", *problem.Of(err))
			if first == "" {
				first = answer
			}
			if answer != first {
				t.Errorf("%s: %s, another: %s", name, answer, first)
			}
		}
	})
}

// T101: how long an answer takes does not tell how near a guess was.
func TestT101_AnswersTakeTheSameTime(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain())})
		off := b.webhook(t, workflow.NewWebhook{WorkflowID: s.hook.WorkflowID, Disabled: true})
		good := s.signature(time.Now(), "{}")
		mac := strings.Index(good, "v1=") + 3
		wrong := func(at int) workflow.Delivery {
			d := s.delivery("{}")
			d.Header.Set(workflow.SignatureHeader, good[:at]+flip(good[at:at+1])+good[at+1:])
			return d
		}
		first, last, unsigned := wrong(mac), wrong(len(good)-1), s.delivery("{}")
		pairs := map[string][2]func() error{
			"first and last digit wrong": {
				func() error { _, err := b.Deliver(context.Background(), s.key(), first); return err },
				func() error { _, err := b.Deliver(context.Background(), s.key(), last); return err },
			},
			"disabled and missing": {
				func() error { _, err := b.Deliver(context.Background(), off.key(), unsigned); return err },
				func() error {
					_, err := b.Deliver(context.Background(), strings.Repeat("A", len(off.key())), unsigned)
					return err
				},
			},
		}
		for name, pair := range pairs {
			var took [2][]time.Duration
			for range 200 { // in turns, so that what slows the machine slows both
				for i, call := range pair {
					start := time.Now()
					if call() == nil {
						t.Fatal("it was taken")
					}
					took[i] = append(took[i], time.Since(start))
				}
			}
			// The fastest of many is what the work itself takes, on a busy machine too.
			a, b := slices.Min(took[0]), slices.Min(took[1])
			t.Logf("%s: %s and %s", name, a, b)
			if a > 3*b || b > 3*a {
				t.Errorf("%s: the fastest take %s and %s", name, a, b)
			}
		}
	})
}

func swapCase(s string) string {
	swapped := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, s)
	if swapped == s {
		return s + "a"
	}
	return swapped
}

// T102: a delivery that comes again, at the same time or later, starts one run.
func TestT102_ARepeatedDeliveryStartsOneRun(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		flow := b.publish(t, chain())
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, Name: "orders"})
		captured := s.delivery(`{"n":1}`)
		byID := func(n int) workflow.Delivery { // signed anew each time, as senders do when they repeat
			d := s.delivery(fmt.Sprintf(`{"try":%d}`, n), "Jetadmin-Delivery", "delivery-7")
			return d
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		runs := map[string]int{}
		fresh := 0
		for i := range 8 {
			for _, d := range []workflow.Delivery{captured, byID(i)} {
				wg.Go(func() {
					r, err := s.deliver(d)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					runs[r.Run.ID]++
					if !r.Duplicate {
						fresh++
					}
				})
			}
		}
		wg.Wait()
		if len(runs) != 2 || fresh != 2 || len(b.runsOf(t, flow)) != 2 {
			t.Fatalf("%d runs, %d of them not duplicates: %v", len(runs), fresh, runs)
		}
		// The id is not signed: with another one, a captured delivery is still the same.
		again := captured
		again.Header = captured.Header.Clone()
		again.Header.Set("Jetadmin-Delivery", "another")
		again.Query = url.Values{"forged": {"1"}}
		if r := s.mustDeliver(t, again); !r.Duplicate || runs[r.Run.ID] == 0 {
			t.Errorf("replayed with another id: %+v", r)
		}
		// The same id at another webhook is another delivery.
		other := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, Name: "others"})
		if r := other.mustDeliver(t, other.delivery(`{}`, "Jetadmin-Delivery", "delivery-7")); r.Duplicate {
			t.Error("two webhooks share the id of a delivery")
		}
		if _, err := s.deliver(s.delivery(`{}`, "Jetadmin-Delivery", strings.Repeat("x", 201))); problem.KindOf(err) != problem.Invalid {
			t.Errorf("a long id: %v", err)
		}
	})
}

// A signature is remembered for as long as its time is good.
func TestSeenSignaturesAreForgotten(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain())})
		s.mustDeliver(t, s.delivery(`{"n":1}`))
		s.mustDeliver(t, s.delivery(`{"n":2}`))
		_, err := db.NewRaw("UPDATE ?schema.jet_webhook_delivery /* across tenants: the test */ SET expires_at = ? WHERE digest IN (SELECT min(digest) FROM ?schema.jet_webhook_delivery AS y)",
			time.Now().Add(-time.Second).UTC()).Exec(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		b.startEngine(t)
		eventually(t, func() bool {
			n, err := db.NewSelect().TableExpr("?schema.jet_webhook_delivery /* across tenants: the test */").Count(context.Background())
			return err == nil && n == 1
		})
	})
}

func TestWebhookModes(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db, withKeys(t))
		flow := b.publish(t, chain())
		plain := func(headers ...string) workflow.Delivery {
			d := workflow.Delivery{Method: http.MethodPost, Header: http.Header{}, Body: []byte("x")}
			for i := 0; i+1 < len(headers); i += 2 {
				d.Header.Add(headers[i], headers[i+1])
			}
			return d
		}
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, Mode: workflow.WebhookSecret, SecretHeader: "X-Gitlab-Token"})
		for name, d := range map[string]workflow.Delivery{
			"none": plain(), "empty": plain("X-Gitlab-Token", ""), "wrong": plain("X-Gitlab-Token", "jws_x"), "prefix": plain("X-Gitlab-Token", s.secret[:20]),
			"elsewhere": plain("Jetadmin-Secret", s.secret), "twice": plain("X-Gitlab-Token", s.secret, "X-Gitlab-Token", s.secret), "a signature": s.delivery("x"),
		} {
			if _, err := s.deliver(d); problem.KindOf(err) != problem.Unauthenticated {
				t.Errorf("mode secret, %s: %v", name, err)
			}
		}
		s.mustDeliver(t, plain("X-Gitlab-Token", s.secret))

		// T100: nothing needs no proof but what was made so, on purpose and on record.
		public := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, Mode: workflow.WebhookPublic})
		public.mustDeliver(t, plain())
		if public.secret != "" {
			t.Error("a public webhook has a secret")
		}
		var audited []string
		for _, e := range *b.audits {
			if e.ObjectID == public.hook.ID {
				audited = append(audited, e.Action)
			}
		}
		if got := strings.Join(audited, " "); got != "webhook.create webhook.makePublic" {
			t.Errorf("audited %s", got)
		}
		if _, _, err := b.RotateWebhookSecret(b.ctx, public.hook.ID, 0, 0); problem.KindOf(err) != problem.Conflict {
			t.Errorf("rotate a public one: %v", err)
		}
		if _, _, err := newBundle(t, db).CreateWebhook(b.ctx, workflow.NewWebhook{WorkflowID: flow, Name: "x"}); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("without keys: %v", err)
		}
		// Should a row lose its secret, it proves nothing, rather than everything.
		if _, err := db.NewRaw("UPDATE ?schema.jet_webhook SET secret = NULL WHERE tenant_id = ? AND id = ?", b.tenant, s.hook.ID).Exec(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.deliver(plain("X-Gitlab-Token", "")); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("a webhook that lost its secret: %v", err)
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		var mu sync.Mutex
		b := newBundle(t, db, withKeys(t), func(c *workflow.Config) {
			c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		})
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain())})
		s.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		rotated := *s
		var err error
		if rotated.hook, rotated.secret, err = b.RotateWebhookSecret(b.ctx, s.hook.ID, workflow.Duration(time.Hour), s.hook.Version); err != nil {
			t.Fatal(err)
		}
		if rotated.secret == s.secret || rotated.hook.PreviousUntil == nil || rotated.hook.Path != s.hook.Path {
			t.Fatalf("%+v", rotated.hook)
		}
		s.mustDeliver(t, s.delivery(`{"n":1}`))
		rotated.mustDeliver(t, rotated.delivery(`{"n":1}`))
		mu.Lock()
		now = now.Add(time.Hour)
		mu.Unlock()
		if _, err := s.deliver(s.delivery(`{"n":2}`)); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("after the overlap: %v", err)
		}
		rotated.mustDeliver(t, rotated.delivery(`{"n":2}`))
		last := rotated
		if last.hook, last.secret, err = b.RotateWebhookSecret(b.ctx, s.hook.ID, 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := s.deliver(rotated.delivery(`{"n":3}`)); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("without an overlap: %v", err)
		}
		last.mustDeliver(t, last.delivery(`{"n":3}`))
		if _, _, err := b.RotateWebhookSecret(b.ctx, s.hook.ID, 0, 1); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale version: %v", err)
		}
		if _, _, err := b.RotateWebhookSecret(b.ctx, s.hook.ID, workflow.Duration(31*24*time.Hour), 0); problem.KindOf(err) != problem.Invalid {
			t.Errorf("a long overlap: %v", err)
		}
		// T56: nothing stored or shown has a secret in it.
		stored := strings.Join(dump(t, db, "jet_webhook"), "\n") + encoded(last.hook) + encoded(*b.audits)
		for _, secret := range []string{s.secret, rotated.secret, last.secret} {
			if strings.Contains(stored, secret) || strings.Contains(stored, strings.TrimPrefix(secret, "jws_")) {
				t.Error("a secret is stored in plain")
			}
		}
	})
}

// A change that was under way while the keys are rotated does not bring back what the
// old key had sealed.
func TestAChangeDoesNotUndoARotationOfKeys(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		oldKey, newKey := secret.NewKey(), secret.NewKey()
		sealing := func(keys ...[]byte) func(*workflow.Config) {
			ring, err := secret.NewKeyring(keys...)
			if err != nil {
				t.Fatal(err)
			}
			return func(c *workflow.Config) { c.Keys = ring }
		}
		before := newBundle(t, db, sealing(oldKey))
		s := before.webhook(t, workflow.NewWebhook{WorkflowID: before.publish(t, chain())})
		rotated := *s
		var err error
		if rotated.hook, rotated.secret, err = before.RotateWebhookSecret(before.ctx, s.hook.ID, workflow.Duration(time.Hour), 0); err != nil {
			t.Fatal(err)
		}
		var during *bundle
		var once sync.Once
		during = newBundle(t, db, sealing(newKey, oldKey), func(c *workflow.Config) {
			c.Authorize = func(ctx context.Context, p auth.Permission, objectID string) (*auth.Principal, error) {
				if p == auth.WorkflowExecute { // the webhook has been read and is not saved
					once.Do(func() {
						if done, err := during.RotateSecrets(context.Background()); err != nil || done.Resealed != 2 {
							t.Errorf("got %+v, %v", done, err)
						}
					})
				}
				return authorize(ctx, p, objectID)
			}
		})
		hook, err := during.UpdateWebhook(before.ctx, s.hook.ID, workflow.WebhookUpdate{Name: new("changed"), Version: rotated.hook.Version})
		if err != nil || hook.Name != "changed" || hook.PreviousUntil == nil {
			t.Fatalf("got %+v, %v", hook, err)
		}
		after := newBundle(t, db, sealing(newKey))
		for _, sender := range []*sender{s, &rotated} {
			sender.b = after
			sender.mustDeliver(t, sender.delivery(`{"n":1}`))
		}
	})
}

func dump(t testing.TB, db *store.DB, table string) []string {
	t.Helper()
	var rows []map[string]any
	if err := db.NewRaw("SELECT * FROM ?schema."+table+" /* across tenants: the test reads all */").Scan(context.Background(), &rows); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, row := range rows {
		all = append(all, fmt.Sprint(row))
	}
	if len(all) == 0 {
		t.Fatal("nothing is stored")
	}
	return all
}

func TestWebhookRate(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		b := newBundle(t, db, withKeys(t), func(c *workflow.Config) { c.Clock = func() time.Time { return now } })
		flow := b.publish(t, chain())
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, RatePerMinute: 30})
		forged := s.delivery(`{}`)
		forged.Header.Del(workflow.SignatureHeader)
		for range 10 { // these take nothing from the sender
			if _, err := s.deliver(forged); problem.KindOf(err) != problem.Unauthenticated {
				t.Fatal(err)
			}
		}
		for i := range 3 { // a tenth of a minute's share at once
			s.mustDeliver(t, s.delivery(strconv.Itoa(i)))
		}
		_, err := s.deliver(s.delivery("4"))
		if problem.KindOf(err) != problem.RateLimited || problem.Of(err).RetryAfter <= 0 || problem.Of(err).RetryAfter > 2*time.Second {
			t.Fatalf("above the limit: %v", err)
		}
		other := b.webhook(t, workflow.NewWebhook{WorkflowID: flow, RatePerMinute: 30})
		other.mustDeliver(t, other.delivery("1"))
	})
}

// T138: from a network whose deliveries to a webhook prove nothing only so many are
// judged, and so many at unknown paths are told so. That holds up nobody elsewhere, no
// other webhook, nor what comes through a proxy that does not tell for whom; and what is
// good counts nothing.
func TestT138_BadDeliveriesAreThrottled(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		b := newBundle(t, db, withKeys(t), func(c *workflow.Config) { c.Clock = func() time.Time { return now } })
		s := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain()), RatePerMinute: 60_000})
		other := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, chain()), RatePerMinute: 60_000})
		forged := s.delivery(`{}`)
		forged.Header.Set(workflow.SignatureHeader, "t=1,v1=00")
		from := func(address, key string, d workflow.Delivery) error {
			_, err := b.Deliver(auth.WithAddress(context.Background(), netip.MustParseAddr(address)), key, d)
			return err
		}
		flood := func(address string, bad func(n int) error) (judged int) {
			for n := range 2000 {
				err := bad(n)
				if problem.Is(err, problem.RateLimited) {
					if e := problem.Of(err); e.Code != "too_many_deliveries" || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
						t.Errorf("%+v", e)
					}
					return n
				}
			}
			return -1
		}
		for address, elsewhere := range map[string]string{"192.0.2.1": "192.0.2.2", "2001:db8:0:1::1": "2001:db8:0:2::1"} {
			for n := range 3 {
				if err := from(address, s.key(), s.delivery(strconv.Quote(fmt.Sprint(address, n)))); err != nil {
					t.Fatal(err)
				}
			}
			for name, bad := range map[string]func(int) error{
				"forged":       func(int) error { return from(address, s.key(), forged) },
				"unknown path": func(int) error { return from(address, id.New(), forged) },
			} {
				if got := flood(address, bad); got != 601 { // the first beyond is judged already
					t.Errorf("%s, %s: %d were judged", address, name, got)
				}
			}
			if err := from(address, other.key(), other.delivery(strconv.Quote(address))); err != nil {
				t.Errorf("to another webhook: %v", err)
			}
			if err := from(elsewhere, s.key(), s.delivery(strconv.Quote(elsewhere))); err != nil {
				t.Errorf("from elsewhere: %v", err)
			}
		}
		if err := from("2001:db8:0:1:ffff::2", s.key(), s.delivery(`"same network"`)); !problem.Is(err, problem.RateLimited) {
			t.Errorf("from another address of the network: %v", err)
		}
		if got := flood("127.0.0.1", func(int) error { return from("127.0.0.1", id.New(), forged) }); got != -1 {
			t.Errorf("from the machine itself %d were judged", got)
		}
		now = now.Add(time.Second)
		if err := from("192.0.2.1", s.key(), s.delivery(`"later"`)); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestWebhookWaits(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		s := b.webhook(t, workflow.NewWebhook{
			WorkflowID: b.publish(t, chain(step("sum", "transform", map[string]any{"value": "{{ input.body.a + 1 }}"}))), Wait: workflow.MaxWebhookWait,
		})
		r := s.mustDeliver(t, s.delivery(`{"a":41}`))
		if !r.Ended || r.Run.Status != workflow.RunSucceeded || encoded(r.Output) != "42" {
			t.Errorf("%s", encoded(r))
		}
		// What a node answers is there before the run has ended.
		g := slow()
		g.Nodes = append(g.Nodes, step("answer", "respond", map[string]any{"status": 201, "headers": map[string]any{"X-Order": "A-1"}, "body": "{{ input.body.a }}"}))
		g.Edges = append(g.Edges, edge("start", "answer"))
		answering := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, g), Wait: workflow.MaxWebhookWait})
		r = answering.mustDeliver(t, answering.delivery(`{"a":{"b":1}}`))
		if r.Ended || r.Response == nil || r.Response.Status != 201 || string(r.Response.Body) != `{"b":1}` || r.Response.Headers["X-Order"] != "A-1" {
			t.Errorf("%s", encoded(r))
		}
		lasting := b.webhook(t, workflow.NewWebhook{WorkflowID: b.publish(t, slow()), Wait: workflow.Duration(300 * time.Millisecond)})
		r = lasting.mustDeliver(t, lasting.delivery(`{}`))
		if r.Ended || r.Run.ID == "" {
			t.Errorf("it ends in a day: %s", encoded(r))
		}
	})
}

func TestWebhookIsChecked(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := newBundle(t, db, withKeys(t))
		flow := b.publish(t, declared("country"))
		foreign := newBundle(t, db).publish(t, chain())
		good := workflow.NewWebhook{WorkflowID: flow, Name: "orders"}
		for path, spoil := range map[string]func(*workflow.NewWebhook){
			"name":           func(in *workflow.NewWebhook) { in.Name = "" },
			"mode":           func(in *workflow.NewWebhook) { in.Mode = "none" },
			"secretHeader":   func(in *workflow.NewWebhook) { in.SecretHeader = "X Y" },
			"deliveryHeader": func(in *workflow.NewWebhook) { in.DeliveryHeader = "X:Y" },
			"headers":        func(in *workflow.NewWebhook) { in.Headers = []string{"authorization"} },
			"replayWindow":   func(in *workflow.NewWebhook) { in.ReplayWindow = workflow.Duration(2 * time.Hour) },
			"ratePerMinute":  func(in *workflow.NewWebhook) { in.RatePerMinute = -1 },
			"wait":           func(in *workflow.NewWebhook) { in.Wait = workflow.Duration(time.Minute) },
			"workflowId":     func(in *workflow.NewWebhook) { in.WorkflowID = foreign }, // T5
		} {
			in := good
			spoil(&in)
			_, _, err := b.CreateWebhook(b.ctx, in)
			if problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != path || len(problem.Of(err).Faults) != 1 {
				t.Errorf("%s: %v", path, err)
			}
		}
		s := b.webhook(t, good)
		if _, _, err := b.CreateWebhook(b.ctx, good); problem.KindOf(err) != problem.Conflict {
			t.Errorf("the same name: %v", err)
		}
		cookie, wait := []string{"Cookie"}, workflow.Duration(-1)
		for path, in := range map[string]workflow.WebhookUpdate{"headers": {Headers: &cookie}, "wait": {Wait: &wait}} { // T31
			if _, err := b.UpdateWebhook(b.ctx, s.hook.ID, in); problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != path {
				t.Errorf("update %s: %v", path, err)
			}
		}
		if _, err := s.deliver(s.delivery(`{}`)); problem.KindOf(err) != problem.Invalid {
			t.Errorf("an input that does not fit: %v", err)
		}
		draft, err := b.Create(b.ctx, workflow.NewWorkflow{Name: id.New(), Draft: chain()})
		if err != nil {
			t.Fatal(err)
		}
		unpublished := b.webhook(t, workflow.NewWebhook{WorkflowID: draft.ID})
		if _, err := unpublished.deliver(unpublished.delivery(`{}`)); problem.KindOf(err) != problem.Conflict {
			t.Errorf("a workflow without version: %v", err)
		}
		if _, _, err := b.CreateWebhook(as(b.tenant, auth.WebhookCreate), workflow.NewWebhook{WorkflowID: flow, Name: "x"}); problem.KindOf(err) != problem.Forbidden {
			t.Errorf("without the right to start the workflow: %v", err)
		}
		other := as(newTenant(t, db), "*")
		if _, err := b.Webhook(other, s.hook.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("T1: another tenant: %v", err)
		}
		no := false
		hook, err := b.UpdateWebhook(b.ctx, s.hook.ID, workflow.WebhookUpdate{Enabled: &no, Version: 1})
		if err != nil || hook.Enabled || hook.Version != 2 {
			t.Fatalf("%+v, %v", hook, err)
		}
		if _, err := s.deliver(s.delivery(`{}`)); problem.KindOf(err) != problem.NotFound {
			t.Errorf("disabled: %v", err)
		}
		if _, err := b.UpdateWebhook(b.ctx, s.hook.ID, workflow.WebhookUpdate{Enabled: &no, Version: 1}); problem.KindOf(err) != problem.Stale {
			t.Errorf("a stale version: %v", err)
		}
		if err := b.DeleteWebhook(b.ctx, s.hook.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Webhook(b.ctx, s.hook.ID); problem.KindOf(err) != problem.NotFound {
			t.Errorf("deleted: %v", err)
		}
	})
}
