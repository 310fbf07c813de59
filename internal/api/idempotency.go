package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/internal/clock"
	"github.com/jetadmin/jetadmin/internal/requestid"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"

	maxKey       = 255
	keyLifetime  = 24 * time.Hour
	maxKeptReply = 1 << 20
	pruneEvery   = time.Minute
	pruneBatch   = 100
)

// idempotency keeps the replies of calls that came with a key, so that a call
// that is made again is not done again.
//
// Only a success is kept. A call that was refused or failed changed nothing and
// gives its key back, and so does one that only read: done again, it is done with the
// rights of then. What a call changed is told once more only while the rights are those
// with which it was done, and a secret never. A process that dies in the middle of a call leaves the key
// taken for its lifetime: whether the change was made is not known, so it is not
// made a second time.
type idempotency struct {
	db     *store.DB
	clock  clock.Clock
	logger *slog.Logger
	ring   *secret.Keyring
	rights func(ctx context.Context) (string, error)
	settle time.Duration // how long writing down what becomes of a key may take

	pruned atomic.Int64 // unix time of the last look for expired keys
}

func newIdempotency(cfg Config) *idempotency {
	return &idempotency{
		db:     cfg.DB,
		clock:  cfg.Clock,
		logger: cfg.Logger,
		ring:   cfg.Keys,
		rights: cfg.RBAC.Rights,
		settle: 10 * time.Second,
	}
}

func idempotencyParam() *huma.Param {
	limit := maxKey
	return &huma.Param{
		Name:        idempotencyHeader,
		In:          "header",
		Description: "Makes the call safe to repeat for 24 hours: the same key with the same body gets the same answer, with another body a 409.",
		Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: &limit},
	}
}

// kept is a reply as it is stored.
type kept struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
	Rights string      `json:"rights"` // that the caller had
}

type changelessKey struct{}

// changedNothing says that the call of ctx has only read: its key is given back.
func changedNothing(ctx context.Context) {
	if changeless, ok := ctx.Value(changelessKey{}).(*atomic.Bool); ok {
		changeless.Store(true)
	}
}

// idempotent answers a call whose key it knows from what it kept, and runs next
// for one whose key is new. w is a *reply.
func (a *API) idempotent(op Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys, given := r.Header[idempotencyHeader]
		if !given {
			next.ServeHTTP(w, r)
			return
		}
		if len(keys) != 1 || !validKey(keys[0]) {
			a.fail(w, r, invalid([]problem.Fault{{Path: idempotencyHeader, Message: "must be one value of 1 to 255 visible ASCII characters"}}))
			return
		}
		call, err := a.keys.callOf(r, keys[0])
		if err != nil {
			a.fail(w, r, err)
			return
		}
		call.secret = op.Secret
		a.answerOnce(w.(*reply), r, call, next)
	})
}

func (a *API) answerOnce(w *reply, r *http.Request, call call, next http.Handler) {
	before, err := a.keys.begin(r.Context(), call)
	switch {
	case err != nil:
		a.fail(w, r, err)
	case before != nil:
		for name, values := range before.Header {
			w.header[name] = values
		}
		w.header.Set(replayedHeader, "true")
		w.WriteHeader(before.Status)
		_, _ = w.Write(before.Body)
	default:
		a.keys.run(w, r, call, next)
	}
}

// begin takes the key for this call (nil, nil), or returns what was kept of the
// one that had it before.
func (i *idempotency) begin(ctx context.Context, c call) (*kept, error) {
	row, err := i.take(ctx, c)
	if err != nil || row == nil {
		return nil, err
	}
	asked, err := i.ring.Open(string(row.Request), c.place("request"))
	if err != nil {
		return nil, problem.New(problem.Conflict, "idempotency_key_unreadable", "what was asked with this idempotency key before cannot be read any more: the server has other encryption keys").
			Fix("look whether the request was done, and use a new key").Because(err)
	}
	if !bytes.Equal(asked, c.request) {
		return nil, problem.New(problem.Conflict, "idempotency_key_reused", "the idempotency key was used for another request").
			Fix("use a new key for every request that is not a repetition")
	}
	if row.Reply == nil {
		e := problem.New(problem.Conflict, "idempotency_key_in_use", "the first request with this idempotency key is not finished")
		e.RetryAfter = time.Second
		return nil, e
	}
	plain, err := i.ring.Open(*row.Reply, c.place("reply"))
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return nil, err
	}
	rights, err := i.rights(ctx)
	if err == nil && rights != k.Rights {
		err = problem.New(problem.Conflict, "idempotency_rights_changed", "the request was done before, and rights have changed since: its answer is not given again").
			Fix("read what the request has made")
	}
	return &k, err
}

// run does the call. The client may be gone when it is done, and a panic may
// pass through; what becomes of the key is written down all the same.
func (i *idempotency) run(w *reply, r *http.Request, c call, next http.Handler) {
	succeeded := false
	var changeless atomic.Bool
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), i.settle) // counted from here: the call may have taken longer
		defer cancel()
		var err error
		if succeeded {
			err = i.keep(ctx, c, w)
		} else {
			err = i.release(ctx, c)
		}
		if err != nil {
			i.logger.ErrorContext(ctx, "idempotency key is left taken", "requestId", requestid.FromContext(ctx), "error", err)
		}
		i.prune(ctx)
	}()
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), changelessKey{}, &changeless)))
	succeeded = w.status < http.StatusMultipleChoices && !changeless.Load()
}

func (i *idempotency) keep(ctx context.Context, c call, w *reply) (err error) {
	k := kept{Status: w.status, Header: w.header, Body: w.body.Bytes()}
	switch {
	case c.secret:
		k, err = lost(ctx, "the request was done before, its answer had a secret, which is shown once", "end what it has made, and make another with a new key")
	case w.body.Len() > maxKeptReply:
		k, err = lost(ctx, "the request was done before, its answer was too large to keep", "read what it has made")
	}
	if err == nil {
		k.Rights, err = i.rights(ctx)
	}
	if err != nil {
		return err
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return i.finish(ctx, c, i.ring.Seal(plain, c.place("reply")))
}

// lost is what a repetition gets in place of a reply that is not kept.
func lost(ctx context.Context, message, remedy string) (kept, error) {
	p := complete(ctx, refuse(http.StatusConflict, "idempotency_reply_lost", message))
	p.Remedy = remedy
	body, err := json.Marshal(p)
	return kept{Status: p.Status, Header: http.Header{"Content-Type": {problemType}}, Body: body}, err
}

// prune removes expired keys now and then, a few at a time. As long as there are
// more, each call does, so that calls cannot make keys faster than they go.
func (i *idempotency) prune(ctx context.Context) {
	now := i.clock.Now()
	last := i.pruned.Load()
	if now.Sub(time.Unix(last, 0)) < pruneEvery || !i.pruned.CompareAndSwap(last, now.Unix()) {
		return
	}
	n, err := i.deleteExpired(ctx, now.Add(-keyLifetime), pruneBatch)
	if err != nil {
		i.logger.WarnContext(ctx, "expired idempotency keys are left", "error", err)
	}
	if n == pruneBatch {
		i.pruned.CompareAndSwap(now.Unix(), last)
	}
}
