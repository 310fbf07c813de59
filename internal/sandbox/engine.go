package sandbox

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// quickjs is the engine; quickjs/refresh.sh fetches it.
//
//go:embed quickjs/quickjs.wasm
var quickjs []byte

//go:embed harness.js
var harness string

// engine is QuickJS compiled for this processor, and the image of one that has
// everything in place for a script.
type engine struct {
	runtime wazero.Runtime
	code    wazero.CompiledModule
	image   image
}

// image is the memory of a prepared instance and where in it to find what. An
// instance is made by copying it, which takes a tenth of the time of preparing
// one and leaves nothing to tell two of them apart.
type image struct {
	memory       []byte
	stackPointer uint64
	scratch      uint64 // a little room for arguments
	file         uint64 // the name of the script, ending in 0

	undefined, parse, grant, finish, describe uint64 // values of JavaScript
}

// stackSize is how deep the engine may go in its own memory; it has twice that.
const stackSize = 512 << 10

// intrinsics is everything of the language but weak references, whose behaviour
// depends on the garbage collector, and performance.now.
const intrinsics = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<11 | 1<<12

func newEngine(ctx context.Context) (_ *engine, err error) {
	e := &engine{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.runtime.Close(ctx))
		}
	}()
	if err := importHost(ctx, e.runtime); err != nil {
		return nil, err
	}
	metered, err := fuelled(quickjs, refuelName)
	if err != nil {
		return nil, err
	}
	if e.code, err = e.runtime.CompileModule(ctx, metered); err != nil {
		return nil, err
	}
	if err := e.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare the image: %w", err)
	}
	return e, nil
}

func (e *engine) close(ctx context.Context) error { return e.runtime.Close(ctx) }

// blank makes an instance whose memory is as the module declares it.
func (e *engine) blank(ctx context.Context, m *memory) (*instance, error) {
	module, err := e.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, m), e.code,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, err
	}
	return &instance{module: module, memory: m, image: &e.image}, nil
}

// prepare makes the image: it starts an engine and evaluates the harness.
func (e *engine) prepare(ctx context.Context) error {
	i, err := e.blank(ctx, newMemory(MinMemory, 0))
	if err != nil {
		return err
	}
	defer i.close(ctx)
	if _, err := i.call(ctx, "_initialize"); err != nil {
		return err
	}
	failed, err := i.call(ctx, "qjs_init2", intrinsics)
	if err == nil && failed != 0 {
		err = errors.New("the engine does not start")
	}
	if err != nil {
		return err
	}
	if _, err := i.call(ctx, "qjs_set_max_stack_size", stackSize); err != nil {
		return err
	}
	if err := e.fill(ctx, i); err != nil {
		return err
	}
	if _, err := i.call(ctx, "qjs_run_gc"); err != nil {
		return err
	}
	all, _ := i.module.Memory().Read(0, i.module.Memory().Size())
	e.image.memory = append([]byte(nil), all...)
	e.image.stackPointer = i.module.ExportedGlobal("__stack_pointer").Get()
	return nil
}

// fill evaluates the harness and notes where its functions are.
func (e *engine) fill(ctx context.Context, i *instance) (err error) {
	m := &e.image
	if m.scratch, err = i.allocate(ctx, scratchRoom); err != nil {
		return err
	}
	if m.file, err = i.write(ctx, file+"\x00"); err != nil {
		return err
	}
	if m.undefined, err = i.call(ctx, "qjs_get_undefined"); err != nil {
		return err
	}
	name, err := i.write(ctx, sendName+"\x00")
	if err != nil {
		return err
	}
	send, err := i.call(ctx, "qjs_new_host_function", name, uint64(len(sendName)), 1)
	if err != nil {
		return err
	}
	ours, err := i.write(ctx, "harness\x00")
	if err != nil {
		return err
	}
	maker, err := i.eval(ctx, harness, ours)
	if err != nil {
		return err
	}
	parts, err := i.apply(ctx, maker, send)
	if err != nil {
		return err
	}
	for name, at := range map[string]*uint64{"parse": &m.parse, "grant": &m.grant, "finish": &m.finish, "describe": &m.describe} {
		key, err := i.write(ctx, name+"\x00")
		if err != nil {
			return err
		}
		if *at, err = i.call(ctx, "qjs_get_prop_string", parts, key); err != nil {
			return err
		}
		if is, err := i.call(ctx, "qjs_is_function", *at); err != nil || is == 0 {
			return fmt.Errorf("the harness has no function %s: %w", name, err)
		}
	}
	return nil
}

// instance copies the image into an engine of its own.
func (e *engine) instance(ctx context.Context, limits Limits) (*instance, error) {
	i, err := e.blank(ctx, newMemory(uint64(limits.Memory), len(e.image.memory)+elbowRoom))
	if err != nil {
		return nil, err
	}
	memory := i.module.Memory()
	memory.Grow((uint32(len(e.image.memory)) - memory.Size()) / pageSize)
	if !memory.Write(0, e.image.memory) {
		i.close(ctx)
		return nil, errors.New("the image is larger than the least memory")
	}
	i.module.ExportedGlobal("__stack_pointer").(api.MutableGlobal).Set(e.image.stackPointer)
	return i, nil
}

// elbowRoom is what a small script grows by: it finds it there already.
const elbowRoom = 512 << 10

// pageSize is the unit in which WebAssembly counts memory.
const pageSize = 1 << 16
