package sandbox

import (
	"context"
	"encoding/binary"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// sendName is the one function of the host that scripts reach, through console.
const sendName = "send"

// Where in the scratch room what lies. A message may come while a call is on its
// way, so it has a place of its own.
const (
	scratchSize        = 0
	scratchMessageSize = 4
	scratchArgs        = 8
	scratchRoom        = 32
)

// session is what the functions of the host know of the run that calls them.
type session struct {
	instance *instance
	clock    time.Time
	messages messages
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey{}).(*session)
	return s
}

// importHost gives the engine the functions it asks for. Nearly all of them do
// nothing: there are no files, no modules, and time is what the run was granted.
func importHost(ctx context.Context, r wazero.Runtime) error {
	env := r.NewHostModuleBuilder("env")
	for name, f := range map[string]any{
		"host_call":                hostCall,
		"host_get_timezone_offset": func(int32, int32) int32 { return 0 },
		refuelName:                 refuel,
		"host_module_load":         func(int32, int32) int32 { return 0 },
		"host_module_normalize":    func(int32, int32) int32 { return 0 },
		"host_promise_rejection":   func(int32, int32, int32) {},
	} {
		env.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		return err
	}
	wasi := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for name, f := range map[string]any{
		"clock_time_get": clockTime,
		"fd_close":       func(int32) int32 { return badFile },
		"fd_fdstat_get":  func(int32, int32) int32 { return badFile },
		"fd_seek":        func(int32, int64, int32, int32) int32 { return badFile },
		"fd_write":       func(int32, int32, int32, int32) int32 { return badFile },
		"random_get":     noRandom,
	} {
		wasi.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	_, err := wasi.Instantiate(ctx)
	return err
}

// refuelName is a function that the engine imports for a purpose of its own,
// which nobody switched on: it would call it now and then while a script runs.
const refuelName = "host_interrupt"

// fuel is how many turns of its loops the engine makes between two looks at the
// context: a fraction of a millisecond, in which Go cannot stop it.
const fuel = 1 << 16

// refuel lets the engine go on, or ends it.
func refuel(ctx context.Context) int32 {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return fuel
}

// badFile is EBADF of WASI.
const badFile = 8

// clockTime is the granted instant, or the beginning of 1970.
func clockTime(ctx context.Context, m api.Module, _ int32, _ int64, at uint32) int32 {
	var now int64
	if s := sessionOf(ctx); s != nil && !s.clock.IsZero() {
		now = s.clock.UnixNano()
	}
	m.Memory().WriteUint64Le(at, uint64(now))
	return 0
}

// noRandom gives zeros: what the engine wants them for need not be secret, and
// Math.random has a seed of its own when it is granted.
func noRandom(_ context.Context, m api.Module, at, size uint32) int32 {
	if room, ok := m.Memory().Read(at, size); ok {
		clear(room)
	}
	return 0
}

// hostCall takes a message of the script. Its first letter is the level.
func hostCall(ctx context.Context, m api.Module, _, _, _, count, args uint32) uint32 {
	s := sessionOf(ctx)
	if s == nil {
		return 0
	}
	if count == 1 && s.messages.open() {
		v, _ := m.Memory().ReadUint32Le(args)
		text, err := s.instance.read(ctx, uint64(v), scratchMessageSize)
		if err != nil {
			panic(err) // the run is over: its context ended, or the engine broke
		}
		s.messages.take(text)
	}
	undefined, err := s.instance.call(ctx, "qjs_dup_value", s.instance.image.undefined)
	if err != nil {
		panic(err)
	}
	return uint32(undefined)
}

// seed writes 16 bytes as a JSON array of four words.
func seed(random [16]byte) string {
	var b strings.Builder
	b.WriteByte('[')
	for n := 0; n < 16; n += 4 {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(binary.LittleEndian.Uint32(random[n:])), 10))
	}
	b.WriteByte(']')
	return b.String()
}

// messages hands on what a script prints, up to a limit.
type messages struct {
	log   func(slog.Level, string)
	count int
	bytes int
	full  bool
}

// The volume of one run.
const (
	maxMessages     = 1000
	maxMessageBytes = 256 << 10
)

func (m *messages) open() bool { return m.log != nil && !m.full }

func (m *messages) take(text []byte) {
	if len(text) == 0 {
		return
	}
	level, message := levels[text[0]], strings.ToValidUTF8(string(text[1:]), "\uFFFD")
	m.count++
	m.bytes += len(message)
	if m.count > maxMessages || m.bytes > maxMessageBytes {
		m.full = true
		level, message = slog.LevelWarn, "the script printed too much: the rest is left out"
	}
	m.log(level, message)
}

// levels are those of the functions of console.
var levels = map[byte]slog.Level{'d': slog.LevelDebug, 'i': slog.LevelInfo, 'w': slog.LevelWarn, 'e': slog.LevelError}
