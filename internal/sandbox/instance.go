package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// instance is one engine, used for one script by one goroutine. Values of
// JavaScript are known by where the engine keeps them.
type instance struct {
	module api.Module
	memory *memory
	image  *image
	lines  int // of the script
}

// errNoMemory is a refusal of the engine to take a value.
var errNoMemory = errors.New("out of memory")

// close outlives the context of the run.
func (i *instance) close(ctx context.Context) { _ = i.module.Close(context.WithoutCancel(ctx)) }

// call calls a function of the engine. An error is the end of the instance.
func (i *instance) call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	results, err := i.module.ExportedFunction(name).Call(ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return uint64(api.DecodeU32(results[0])), nil
}

// value calls a function that gives a value. An exception is a [thrown].
func (i *instance) value(ctx context.Context, name string, args ...uint64) (uint64, error) {
	v, err := i.call(ctx, name, args...)
	if err != nil {
		return 0, err
	}
	if v == 0 {
		return 0, errNoMemory
	}
	failed, err := i.call(ctx, "qjs_is_exception", v)
	if err != nil || failed == 0 {
		return v, err
	}
	exception, err := i.call(ctx, "qjs_get_exception")
	if err != nil {
		return 0, err
	}
	return 0, i.thrown(ctx, exception)
}

// apply calls a function of JavaScript.
func (i *instance) apply(ctx context.Context, f uint64, args ...uint64) (uint64, error) {
	at := i.image.scratch + scratchArgs
	for n, arg := range args {
		i.module.Memory().WriteUint32Le(uint32(at)+4*uint32(n), uint32(arg))
	}
	return i.value(ctx, "qjs_call", f, i.image.undefined, uint64(len(args)), at)
}

// thrown describes an exception. A script that ran out of memory gets a little
// more for that.
func (i *instance) thrown(ctx context.Context, exception uint64) error {
	i.memory.limit += describing
	if exception == 0 {
		return errUnknown
	}
	// What an engine throws that has no room for an Error.
	if null, err := i.call(ctx, "qjs_is_null", exception); err != nil || null != 0 && i.memory.denied {
		return errors.Join(errNoMemory, err)
	}
	at := i.image.scratch + scratchArgs
	i.module.Memory().WriteUint32Le(uint32(at), uint32(exception))
	text, err := i.call(ctx, "qjs_call", i.image.describe, i.image.undefined, 1, at)
	if err != nil {
		return err
	}
	if is, err := i.call(ctx, "qjs_is_string", text); err != nil || is == 0 {
		return errors.Join(errUnknown, err)
	}
	b, err := i.read(ctx, text, scratchSize)
	if err != nil {
		return err
	}
	return described(b)
}

const describing = 1 << 20

// allocate finds room in the engine's memory. The caller frees it.
func (i *instance) allocate(ctx context.Context, size int) (uint64, error) {
	at, err := i.call(ctx, "wasm_malloc", uint64(size))
	if err == nil && at == 0 {
		err = errNoMemory
	}
	return at, err
}

func (i *instance) free(ctx context.Context, at uint64) error {
	_, err := i.call(ctx, "wasm_free", at)
	return err
}

// write copies a text into the engine's memory. The caller frees it.
func (i *instance) write(ctx context.Context, text string) (uint64, error) {
	at, err := i.allocate(ctx, len(text))
	if err != nil {
		return 0, err
	}
	if !i.module.Memory().WriteString(uint32(at), text) {
		return 0, fmt.Errorf("no room for %d bytes at %d", len(text), at)
	}
	return at, nil
}

// text makes a string of JavaScript.
func (i *instance) text(ctx context.Context, text string) (uint64, error) {
	at, err := i.write(ctx, text)
	if err != nil {
		return 0, err
	}
	v, err := i.value(ctx, "qjs_new_string", at, uint64(len(text)))
	if err != nil {
		return 0, err
	}
	return v, i.free(ctx, at)
}

// number makes a number of JavaScript.
func (i *instance) number(ctx context.Context, n int) (uint64, error) {
	return i.value(ctx, "qjs_new_number", api.EncodeF64(float64(n)))
}

// read copies a string of JavaScript out of the engine, as UTF-8 in which a lone
// half of a surrogate pair is three bytes that are not.
func (i *instance) read(ctx context.Context, v, scratch uint64) ([]byte, error) {
	size := uint32(i.image.scratch + scratch)
	at, err := i.call(ctx, "qjs_get_string_len", v, uint64(size))
	if err != nil {
		return nil, err
	}
	if at == 0 {
		return nil, errNoMemory
	}
	n, _ := i.module.Memory().ReadUint32Le(size)
	view, ok := i.module.Memory().Read(uint32(at), n)
	if !ok {
		return nil, fmt.Errorf("no text of %d bytes at %d", n, at)
	}
	b := append([]byte(nil), view...)
	_, err = i.call(ctx, "qjs_free_cstring", at)
	return b, err
}

// eval evaluates a source and gives the value of its last expression. file is
// its name in stack traces.
func (i *instance) eval(ctx context.Context, source string, file uint64) (uint64, error) {
	// The engine reads one byte beyond the end.
	at, err := i.write(ctx, source+"\x00")
	if err != nil {
		return 0, err
	}
	v, err := i.value(ctx, "qjs_eval", at, uint64(len(source)), file, 0)
	if err != nil {
		return 0, err
	}
	return v, i.free(ctx, at)
}

// settle runs what waits in the queue of jobs until nothing does.
func (i *instance) settle(ctx context.Context) error {
	for {
		waits, err := i.call(ctx, "qjs_is_job_pending")
		if err != nil || waits == 0 {
			return err
		}
		// A job that fails has rejected its promise.
		if _, err := i.call(ctx, "qjs_execute_pending_job"); err != nil {
			return err
		}
	}
}
