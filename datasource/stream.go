package datasource

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a stream. The time limit of the query holds until the first row that
// the caller may see.
const (
	MaxStreamRows  = 1_000_000
	MaxStreamBytes = 1 << 30
	MaxStreamTime  = 10 * time.Minute

	maxStreams       = 2  // at once, of a datasource in a process: each keeps a connection
	streamsPerMinute = 60 // of a tenant
	recheckEvery     = time.Second
)

// RowWriter takes an answer row by row, from one goroutine. An error that it
// returns ends the stream.
type RowWriter interface {
	// Begin comes once, before the first row, and also when there is none.
	Begin(columns []Column) error

	// Row gets one value per column, as [Rows] gives them. The slice is reused.
	Row(values []any) error
}

// Streamed is what a stream came to.
type Streamed struct {
	RowCount  int64   `json:"rowCount"`
	Truncated bool    `json:"truncated"` // there was more than the limits of a stream allow
	Timings   Timings `json:"timings"`
}

// StreamQuery runs a saved query and hands its rows to a writer as they come, up
// to [MaxStreamRows], whatever the row limit of the query: what it takes in memory
// does not grow with their number. It needs query.execute on the query, until the
// end: when the caller loses that right, the stream ends within seconds.
//
// Errors are those of [Service.RunQuery], whatever the writer returns, Conflict
// for a query that writes or has a transformation, and RateLimited when too many streams are under way or
// were begun in the last minute. After Begin an error means that rows are missing.
func (s *Service) StreamQuery(ctx context.Context, id string, params map[string]any, to RowWriter) (Streamed, error) {
	c, err := s.saved(ctx, id, params)
	if err != nil {
		return Streamed{}, err
	}
	started := time.Now()
	running, e := s.history.begin(ctx, c, ExecutionStream, MaxStreamTime)
	streamed, err := s.stream(running, c, to)
	e.end(streamed.RowCount, false, abandoned(err))
	if hook := s.cfg.Hooks.AfterRun; hook != nil {
		hook(ctx, c.plan.query, time.Since(started), err)
	}
	return streamed, err
}

// abandoned names the error of a writer, which is whatever its maker likes.
func abandoned(err error) error {
	if _, ours := errors.AsType[*problem.Error](err); err == nil || ours {
		return err
	}
	return problem.New(problem.Timeout, "query_cancelled", "the reader has gone").Because(err)
}

func (s *Service) stream(ctx context.Context, c *call, to RowWriter) (Streamed, error) {
	if c.plan.query.Writes {
		return Streamed{}, problem.New(problem.Conflict, "query_writes", "a query that writes cannot be streamed").Fix("run it without a stream")
	}
	if !c.plan.query.Transform.none() {
		return Streamed{}, problem.New(problem.Conflict, "query_transformed", "a query with a transformation cannot be streamed: it needs all rows at once").
			Fix("run it without a stream, or stream a query without the transformation")
	}
	if err := s.exports.Take(ctx, c.who.TenantID, s.cfg.Clock.Now()); err != nil {
		return Streamed{}, err
	}
	leave, err := s.streams.enter(ctx, c.plan.ds.ID)
	if err != nil {
		return Streamed{}, err
	}
	defer leave()
	limited, cancel := s.limit(ctx, MaxStreamTime, problem.Newf(problem.Timeout, "stream_timeout", "the stream took longer than its limit of %s", MaxStreamTime).
		Fix("ask for fewer rows, or read faster"))
	defer cancel()
	limited, end := context.WithCancelCause(limited)
	defer end(nil)
	go s.recheck(limited, c, end)
	flow := &flow{to: to, sight: c.sight, most: c.within(MaxStreamRows), impatience: time.AfterFunc(c.timeout(), func() { end(late(c.timeout())) })}
	defer flow.impatience.Stop()

	work := auth.WithoutPrincipal(limited)
	err = s.inRoom(work, c.plan.ds, func(at visit) error {
		flow.Timings.Connect = milliseconds(at.connected)
		return flow.run(work, at, c.statement(flow.most))
	})
	if err != nil {
		return flow.Streamed, s.shown(ctx, c.fault(work, err))
	}
	return flow.Streamed, caused(limited, flow.refused)
}

// recheck ends a stream whose caller may not run the query any more.
func (s *Service) recheck(ctx context.Context, c *call, end context.CancelCauseFunc) {
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := guard(func() error {
			who, err := s.cfg.Revalidate(ctx, c.who)
			if err == nil {
				_, err = s.authorize(auth.NewContext(ctx, who), auth.QueryExecute, c.plan.query.ID)
			}
			if err == nil {
				err = s.seesStill(ctx, c, who)
			}
			return err
		})
		switch problem.KindOf(err) {
		case problem.Unauthenticated, problem.Forbidden, problem.NotFound:
			end(err)
			return
		}
	}
}

// seesStill is Forbidden when other row rules are for the caller than when the call
// began: those that hold now, not those of then. A query that is not valid any more
// has none that could be asked.
func (s *Service) seesStill(ctx context.Context, c *call, who *auth.Principal) error {
	p, err := s.plan(ctx, c.who.TenantID, c.plan.query.ID)
	if problem.Is(err, problem.Invalid) {
		return otherRules().Because(err)
	}
	if err != nil {
		return err
	}
	if !sameJSON(p.query.Rules, c.plan.query.Rules) {
		return otherRules()
	}
	now, err := p.policy.see(who, c.values)
	if err == nil && c.sight != nil && !bytes.Equal(now.key, c.sight.key) {
		err = otherRules()
	}
	return err
}

func otherRules() *problem.Error {
	return problem.New(problem.Forbidden, "row_rules_changed", "other row rules are for the caller now").Fix("begin the stream again")
}
