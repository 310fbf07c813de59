package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/problem"
)

// stubborn is how long a node may take to come back after its context ended,
// before the engine goes on without it.
const stubborn = 5 * time.Second

// outcome is what an attempt came to, ready to be stored.
type outcome struct {
	status  NodeStatus // succeeded, failed, waiting, or ready for another attempt
	port    string     // whose edges are taken
	output  json.RawMessage
	failure *Failure
	delay   time.Duration // of waiting, or before the next attempt
	end     *End
	parent  bool  // it waits for the runs that it has begun
	wait    *Wait // what it waits for, besides the time

	response *Response
	cause    error // why the attempt does not count: errRunEnded, errStopping or errNotPrepared
}

// execute makes one attempt at a claimed node.
func (e *engine) execute(slot *slot, c *claim) (came outcome) {
	ctx, ended := e.s.telemetry.attempt(auth.NewContext(e.ctx, c.principal()), c)
	defer func() { ended(came) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit, overrun := c.limit(e.s.cfg.Clock.Now())
	if limit <= 0 {
		return e.failed(c, overrun)
	}
	timer := time.AfterFunc(limit, func() { cancel(errAttemptTimeout) })
	defer timer.Stop()
	defer e.inFlight.begin(*c.node.Token, c.run.ID, cancel)()

	result, err := e.attempt(ctx, slot, c)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRunEnded):
		return outcome{cause: cause}
	case e.ctx.Err() != nil:
		return outcome{cause: errStopping}
	case err == nil: // what is done is done, even if it was asked to stop meanwhile
	case errors.Is(cause, errStopping):
		return outcome{cause: cause}
	case errors.Is(err, errNotPrepared):
		return outcome{cause: errNotPrepared}
	case errors.Is(cause, errAttemptTimeout):
		err = overrun.Because(err)
	}
	if err != nil {
		return e.failed(c, err)
	}
	return e.inTime(c, success(result))
}

// inTime keeps what a node waits for within the time that it may take in all. One
// that can only sleep longer fails at once; what others wait for may come before.
func (e *engine) inTime(c *claim, o outcome) outcome {
	left := c.left(e.s.cfg.Clock.Now())
	switch {
	case o.status != NodeWaiting || o.delay <= left:
	case o.parent || o.wait != nil:
		o.delay = max(left, time.Millisecond)
	default:
		return e.failed(c, c.def().policy.overrun())
	}
	return o
}

// attempt calls the node, in a goroutine of its own so that one which ignores
// its context holds up nothing but its slot.
func (e *engine) attempt(ctx context.Context, slot *slot, c *claim) (Result, error) {
	call, err := e.prepare(ctx, c)
	if err != nil {
		return Result{}, err
	}
	defer call.log.end()
	type answer struct {
		result Result
		err    error
	}
	answers := make(chan answer, 1)
	slot.enter()
	go func() {
		defer slot.leave()
		var a answer
		returned := false
		defer func() {
			if !returned {
				a.err = crashed("runtime.Goexit")
			}
			answers <- a
		}()
		a.result, a.err = e.runNode(ctx, c, call)
		returned = true
	}()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
	}
	patience := time.NewTimer(stubborn)
	defer patience.Stop()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-patience.C:
		e.s.cfg.Logger.Warn("workflow engine: a node ignores its context and keeps its slot", "type", c.def().def.Type, "run", c.run.ID, "node", c.node.Key)
		return Result{}, ctx.Err()
	}
}

// runNode runs the node and writes its output as JSON, which is the node's work
// as well: the methods of its types may crash or take their time.
func (e *engine) runNode(ctx context.Context, c *claim, call *Call) (result Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = crashed(r)
		}
	}()
	result, ok := c.plan.pinned(c.node.Key)
	if !ok {
		if result, err = c.def().nodeType.node.Run(ctx, call); err != nil {
			return Result{}, err
		}
	}
	if result.Port == "" {
		result.Port = PortSuccess
	}
	if err := e.assign(ctx, c, result.Wait); err != nil {
		return Result{}, err
	}
	if err := result.Check(c.def().ports); err != nil {
		return Result{}, err
	}
	if result.Start != nil {
		if err := e.startSub(ctx, c, &result); err != nil {
			return Result{}, err
		}
	}
	if result.Each != nil {
		if err := e.startEach(ctx, c, &result); err != nil {
			return Result{}, err
		}
	}
	result.Output, err = encodeOutput(result.Output)
	return result, err
}

func crashed(reason any) error {
	return problem.New(problem.Internal, "node_panicked", "the node crashed").
		Because(fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
}

// prepare is call, repeated while the database is away: that is no failure of
// the node. The attempt's timeout bounds it; the node is handed back then.
func (e *engine) prepare(ctx context.Context, c *claim) (*Call, error) {
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		call, err := e.call(ctx, c)
		if !errors.Is(err, errNotPrepared) {
			return call, err
		}
		e.s.cfg.Logger.Warn("workflow engine: prepare a node", "run", c.run.ID, "node", c.node.Key, "error", err)
		if !sleep(ctx, pause) {
			return nil, err
		}
	}
}

// call expands the configuration of a node with what its run has come to.
func (e *engine) call(ctx context.Context, c *claim) (*Call, error) {
	read, err := e.read(ctx, c)
	if err != nil {
		return nil, err
	}
	now := e.s.cfg.Clock.Now()
	log := e.s.newNodeLog(c.run.TenantID, c.run.ID, c.node.Key, c.node.Attempt)
	env := expr.Env{
		"input": c.input, "steps": read.steps, "now": now,
		"run":    map[string]any{"id": c.run.ID, "workflowId": c.run.WorkflowID, "startedBy": c.run.StartedBy, "attempt": c.node.Attempt},
		"tenant": map[string]any{"id": c.run.TenantID},
	}
	if c.item != nil {
		env["item"], env["index"] = read.item, c.run.ItemIndex
	}
	def := c.def()
	expanded, err := def.config.Eval(env)
	if err != nil {
		return nil, err
	}
	config, _ := expanded.(map[string]any)
	return &Call{
		TenantID: c.run.TenantID, RunID: c.run.ID, Key: c.node.Key, Attempt: c.node.Attempt,
		IdempotencyKey: c.effectKey(),
		Config:         config, Input: c.input, Now: now,
		Logger: log.logger(), log: log,
		eval: func(text string) (any, error) {
			x, ok := def.expressions[text]
			if !ok {
				return nil, problem.New(problem.Invalid, "expression_unknown", "the expression is not part of the node's configuration")
			}
			return x.Eval(env)
		},
	}, nil
}

// encodeOutput writes an output. One that JSON cannot hold (NaN, a cycle, a
// channel) or that is too large is the node's error.
func encodeOutput(v any) (json.RawMessage, error) {
	output, err := json.Marshal(v)
	if err != nil {
		return nil, problem.New(problem.Invalid, "node_output_invalid", "the node's output cannot be written as JSON").Because(err)
	}
	if len(output) > MaxOutput {
		return nil, problem.Newf(problem.TooLarge, "node_output_too_large", "the node's output has %d bytes, the limit is %d", len(output), MaxOutput).
			Fix("return less: select fewer rows or columns, or store the data and return a reference")
	}
	return bytes.ToValidUTF8(output, []byte("\ufffd")), nil // types that write themselves may have written anything
}

// success turns what a node returned, its output encoded, into what is stored.
func success(r Result) outcome {
	output, _ := r.Output.(json.RawMessage)
	if r.Wait != nil {
		return r.Wait.outcome(output)
	}
	out := outcome{status: NodeSucceeded, port: r.Port, output: output, end: r.End, response: r.Response}
	switch {
	case r.waits:
		out.status, out.delay, out.parent = NodeWaiting, tendEvery, true
	case r.Sleep > 0:
		out.status, out.delay = NodeWaiting, r.Sleep
	}
	return out
}

// failed decides what a failure leads to: another attempt, or one of the ways
// that the node's policy names.
func (e *engine) failed(c *claim, err error) outcome {
	p := problem.Of(err)
	f := &Failure{Node: c.node.Key, Kind: p.Kind, Code: p.Code, Message: p.Message, Remedy: p.Remedy, Faults: p.Faults}
	if p.Kind == problem.Internal {
		if p.Code == "internal" {
			f.Code, f.Message = "node_failed", "the node failed; its cause is in the server's log under the run's id"
		}
		e.s.cfg.Logger.Error("workflow engine: node failed", "run", c.run.ID, "node", c.node.Key, "attempt", c.node.Attempt, "error", err)
	}
	policy := c.def().policy
	if delay, ok := policy.again(p, c.node.Attempt, c.left(e.s.cfg.Clock.Now()), rand.Int64N); ok {
		return outcome{status: NodeReady, failure: f, delay: delay}
	}
	return policy.OnError.outcome(f)
}

// outcome is what a failure for good leads to: the port that the node takes ("" =
// none, the run fails), and what later nodes read of it.
func (o OnError) outcome(f *Failure) outcome {
	out := outcome{status: NodeFailed, failure: f}
	switch o {
	case OnErrorBranch:
		out.port, out.output = PortError, json.RawMessage(encode(map[string]any{"error": f}))
	case OnErrorContinue:
		out.port, out.output = PortSuccess, json.RawMessage("null")
	}
	return out
}
