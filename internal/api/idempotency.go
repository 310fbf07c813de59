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
// gives its key back. A process that dies in the middle of a call leaves the key
// taken for its lifetime: whether the change was made is not known, so it is not
// made a second time.
type idempotency struct {
	db     *store.DB
	clock  clock.Clock
	logger *slog.Logger
	ring   *secret.Keyring
	settle time.Duration // how long writing down what becomes of a key may take

	pruned atomic.Int64 // unix time of the last look for expired keys
}

func newIdempotency(cfg Config) *idempotency {
	return &idempotency{
		db:     cfg.DB,
		clock:  cfg.Clock,
		logger: cfg.Logger,
		ring:   cfg.Keys,
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
}

// idempotent answers a call whose key it knows from what it kept, and runs next
// for one whose key is new. w is a *reply.
func (a *API) idempotent(next http.Handler) http.Handler {
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
	return &k, nil
}

// run does the call. The client may be gone when it is done, and a panic may
// pass through; what becomes of the key is written down all the same.
func (i *idempotency) run(w *reply, r *http.Request, c call, next http.Handler) {
	succeeded := false
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
	next.ServeHTTP(w, r)
	succeeded = w.status < http.StatusMultipleChoices
}

func (i *idempotency) keep(ctx context.Context, c call, w *reply) error {
	k := kept{Status: w.status, Header: w.header, Body: w.body.Bytes()}
	if w.body.Len() > maxKeptReply {
		lost := complete(ctx, refuse(http.StatusConflict, "idempotency_reply_lost", "the request was done before, its answer was too large to keep"))
		body, err := json.Marshal(lost)
		if err != nil {
			return err
		}
		k = kept{Status: lost.Status, Header: http.Header{"Content-Type": {problemType}}, Body: body}
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return i.finish(ctx, c, i.ring.Seal(plain, c.place("reply")))
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
