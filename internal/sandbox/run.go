package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// wrapped makes an expression of a function body. It adds no line, so that those
// of the engine are those of the author.
func wrapped(source string) string {
	return `(async function script(input) { "use strict"; ` + source + "\n})"
}

// run runs a program in an instance of its own.
func (e *engine) run(ctx context.Context, program Program, input []byte, limits Limits) (json.RawMessage, error) {
	i, err := e.instance(ctx, limits)
	if err != nil {
		return nil, err
	}
	defer i.close(ctx)
	i.lines = 1 + strings.Count(program.Source, "\n")
	ctx = context.WithValue(ctx, sessionKey{}, &session{instance: i, clock: program.Clock, messages: messages{log: program.Log}})
	if err := i.open(ctx, program); err != nil {
		return nil, i.problem(codeFailed, limits, err)
	}
	f, err := i.eval(ctx, wrapped(program.Source), i.image.file)
	if err != nil {
		return nil, i.problem(codeSyntax, limits, err)
	}
	value, err := i.invoke(ctx, f, input)
	if err != nil {
		return nil, i.problem(codeFailed, limits, err)
	}
	out, err := i.result(ctx, value, limits)
	if err != nil {
		return nil, i.problem(codeFailed, limits, err)
	}
	return out, nil
}

// check compiles a script.
func (e *engine) check(ctx context.Context, source string, limits Limits) error {
	i, err := e.instance(ctx, limits)
	if err != nil {
		return err
	}
	defer i.close(ctx)
	i.lines = 1 + strings.Count(source, "\n")
	text := wrapped(source)
	at, err := i.write(ctx, text+"\x00")
	if err != nil {
		return err
	}
	code, err := i.call(ctx, "qjs_compile", at, uint64(len(text)), i.image.file, 0, 0, i.image.scratch+scratchSize)
	if err != nil || code != 0 {
		return err
	}
	exception, err := i.call(ctx, "qjs_get_exception")
	if err != nil {
		return err
	}
	return i.problem(codeSyntax, limits, i.thrown(ctx, exception))
}

// open gives the script what it was granted.
func (i *instance) open(ctx context.Context, program Program) error {
	if program.Clock.IsZero() && !program.Random {
		return nil
	}
	words := "null"
	if program.Random {
		var random [16]byte
		_, _ = rand.Read(random[:]) // never fails
		words = seed(random)
	}
	text, err := i.text(ctx, fmt.Sprintf("[%t,%s]", !program.Clock.IsZero(), words))
	if err != nil {
		return err
	}
	grants, err := i.apply(ctx, i.image.parse, text)
	if err != nil {
		return err
	}
	_, err = i.apply(ctx, i.image.grant, grants)
	return err
}

// invoke calls the script and waits for the value of its promise.
func (i *instance) invoke(ctx context.Context, f uint64, input []byte) (uint64, error) {
	text, err := i.text(ctx, string(input))
	if err != nil {
		return 0, err
	}
	parsed, err := i.apply(ctx, i.image.parse, text)
	if err != nil {
		return 0, err
	}
	// The script can free the input when it drops it, the text has done its work.
	if _, err := i.call(ctx, "qjs_free_value", text); err != nil {
		return 0, err
	}
	value, err := i.apply(ctx, f, parsed)
	if err != nil {
		return 0, err
	}
	if is, err := i.call(ctx, "qjs_is_promise", value); err != nil || is == 0 {
		return value, err
	}
	if err := i.settle(ctx); err != nil {
		return 0, err
	}
	state, err := i.call(ctx, "qjs_promise_state", value)
	if err != nil {
		return 0, err
	}
	if state == promisePending && i.memory.denied {
		return 0, errNoMemory // for the job that would have gone on
	}
	if state == promisePending {
		return 0, problem.New(problem.Invalid, "script_unsettled", "the script awaits something that never comes")
	}
	value, err = i.call(ctx, "qjs_promise_result", value)
	if err == nil && state == promiseRejected {
		err = i.thrown(ctx, value)
	}
	return value, err
}

// The states of a promise, as the engine counts them.
const (
	promisePending  = 0
	promiseRejected = 2
)

// result is the value as JSON.
func (i *instance) result(ctx context.Context, value uint64, limits Limits) (json.RawMessage, error) {
	most, err := i.number(ctx, limits.Output)
	if err != nil {
		return nil, err
	}
	text, err := i.apply(ctx, i.image.finish, value, most)
	if err != nil {
		return nil, err
	}
	b, err := i.read(ctx, text, scratchSize)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, errors.New("the engine wrote no result")
	}
	switch tag, out := b[0], b[1:]; {
	case tag == '#' || len(out) > limits.Output:
		return nil, outputTooLarge(limits)
	case tag == '!':
		return nil, problem.New(problem.Invalid, "script_result_invalid", printable(string(out)))
	case !json.Valid(out):
		return nil, problem.New(problem.Invalid, "script_result_invalid", "the result is nested too deeply")
	default:
		return out, nil
	}
}
