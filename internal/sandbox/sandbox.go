package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/jetadmin/jetadmin/problem"
)

// Config sets up a [Pool]. The zero value works.
type Config struct {
	// Concurrency is how many scripts run at once; the others wait for their turn.
	// A script keeps a processor busy. Default: GOMAXPROCS.
	Concurrency int

	// Memory bounds the sum of the memory limits of the scripts that run at once,
	// in bytes: one that needs more than is free waits. Default: 512 MB.
	Memory int64
}

// The limits of a script when it names none, and the widest it can name.
const (
	DefaultTime   = 5 * time.Second
	MaxTime       = 5 * time.Minute
	DefaultMemory = 64 << 20
	MinMemory     = 4 << 20
	MaxMemory     = 256 << 20
	DefaultOutput = 1 << 20
	MaxOutput     = 64 << 20
	MaxSource     = 256 << 10
)

// Limits bound one run. A zero field takes its default, one beyond its widest
// value takes that.
type Limits struct {
	Time   time.Duration // of the run itself, not of waiting for a turn
	Memory int64         // bytes of the engine with everything the script holds
	Output int           // bytes of the result as JSON
}

// Program is a script and what it is run with.
type Program struct {
	Source string
	Input  any // anything that encoding/json can write
	Limits Limits

	// Log gets what the script prints, in its order, while it runs; at most
	// 1,000 messages and 256 KB of a run, then one that says so. nil = nobody.
	Log func(level slog.Level, message string)

	// Clock is the instant that the script takes for now. Zero = it has no clock.
	Clock time.Time

	// Random lets the script call Math.random.
	Random bool
}

// Pool runs scripts. It compiles the engine when the first one comes, not
// before. It is safe for concurrent use.
type Pool struct {
	slots       *semaphore.Weighted
	concurrency int64
	memory      *semaphore.Weighted
	most        int64 // bytes that memory has

	mu     sync.Mutex // guards the making of engine, and closed
	engine *engine
	closed bool
}

// New returns a pool. It does nothing else yet.
func New(c Config) (*Pool, error) {
	if c.Concurrency == 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
	}
	if c.Memory == 0 {
		c.Memory = 512 << 20
	}
	if c.Concurrency < 0 {
		return nil, errors.New("sandbox.Config.Concurrency: must not be negative")
	}
	if c.Memory < MinMemory {
		return nil, fmt.Errorf("sandbox.Config.Memory: must be at least %d", MinMemory)
	}
	return &Pool{
		slots: semaphore.NewWeighted(int64(c.Concurrency)), concurrency: int64(c.Concurrency),
		memory: semaphore.NewWeighted(c.Memory), most: c.Memory,
	}, nil
}

// Run runs a script to its end and returns its result as JSON. The context may
// end it early.
//
// Its errors are problems with these codes: script_syntax and script_failed
// (Invalid, each with the message of JavaScript and the line), script_unsettled
// (Invalid: it awaits what never comes), script_result_invalid (Invalid: JSON
// cannot hold the result), script_input_invalid (Invalid: nor the input),
// script_output_too_large, script_memory and script_stack (TooLarge),
// script_timeout (Timeout: its own limit or the context's), script_cancelled
// and script_closed (Unavailable), script_crashed (Internal).
func (p *Pool) Run(ctx context.Context, program Program) (json.RawMessage, error) {
	if len(program.Source) > MaxSource {
		return nil, tooLong()
	}
	input, err := json.Marshal(program.Input)
	if err != nil {
		return nil, problem.New(problem.Invalid, "script_input_invalid", "the script's input cannot be written as JSON").Because(err)
	}
	limits := program.Limits.within(p.most)
	release, err := p.acquire(ctx, limits.Memory)
	if err != nil {
		return nil, err
	}
	defer release()
	engine, err := p.compiled(ctx)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	out, err := engine.run(running, program, input, limits)
	if err != nil {
		return nil, verdict(ctx, running, limits, err)
	}
	return out, nil
}

// Check compiles a script and runs nothing of it. It fails with script_syntax;
// whatever else keeps it from judging is no fault of the script, and nil.
func (p *Pool) Check(ctx context.Context, source string) error {
	if len(source) > MaxSource {
		return tooLong()
	}
	limits := Limits{Time: time.Second, Memory: 32 << 20}.within(p.most)
	release, err := p.acquire(ctx, limits.Memory)
	if err != nil {
		return nil
	}
	defer release()
	engine, err := p.compiled(ctx)
	if err != nil {
		return nil
	}
	running, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	err = engine.check(running, source, limits)
	if p := problem.Of(err); p != nil && p.Code == codeSyntax {
		return p
	}
	return nil
}

// Close waits until no script runs and gives back what the engine holds. It
// fails when the context ends before, and can then be called again.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if !p.slots.TryAcquire(p.concurrency) {
		if err := p.slots.Acquire(ctx, p.concurrency); err != nil {
			return fmt.Errorf("close the sandbox: %w", err)
		}
	}
	defer p.slots.Release(p.concurrency)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine == nil {
		return nil
	}
	err := p.engine.close(ctx)
	p.engine = nil
	return err
}

// acquire waits for a turn and for memory.
func (p *Pool) acquire(ctx context.Context, memory int64) (release func(), err error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, notBegun(ctx)
	}
	if err := p.memory.Acquire(ctx, memory); err != nil {
		p.slots.Release(1)
		return nil, notBegun(ctx)
	}
	return func() {
		p.memory.Release(memory)
		p.slots.Release(1)
	}, nil
}

// compiled is the engine, made by the first caller. The others wait for him: it
// takes a third of a second.
func (p *Pool) compiled(ctx context.Context) (*engine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, problem.New(problem.Unavailable, "script_closed", "scripts cannot be run any more: the server is stopping")
	}
	if p.engine == nil {
		e, err := newEngine(context.WithoutCancel(ctx))
		if err != nil {
			return nil, fmt.Errorf("sandbox: make the engine: %w", err)
		}
		p.engine = e
	}
	return p.engine, nil
}

func (l Limits) within(memory int64) Limits {
	return Limits{
		Time:   bounded(l.Time, DefaultTime, time.Millisecond, MaxTime),
		Memory: bounded(l.Memory, DefaultMemory, MinMemory, min(MaxMemory, memory)),
		Output: bounded(l.Output, DefaultOutput, 1, MaxOutput),
	}
}

func bounded[N int | int64 | time.Duration](n, otherwise, least, most N) N {
	if n == 0 {
		n = otherwise
	}
	return min(max(n, least), most)
}
