package sandbox

import "github.com/tetratelabs/wazero/experimental"

// memory is what one engine may use. WebAssembly grows its memory and never
// gives back a part of it; the whole goes to the garbage collector at the end.
type memory struct {
	limit  uint64
	buffer []byte
	denied bool // more than limit was asked for
}

// newMemory has room for size bytes at once.
func newMemory(limit uint64, size int) *memory {
	return &memory{limit: limit, buffer: make([]byte, 0, size)}
}

// Allocate is called once, when the instance is made.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory, or returns nil: the engine then throws an "out of
// memory" that the script may even catch.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.denied = true
		return nil
	}
	if size > uint64(cap(m.buffer)) {
		// A half more than asked for, so that growth in small steps copies little.
		grown := make([]byte, size, min(m.limit, size+size/2))
		copy(grown, m.buffer)
		m.buffer = grown
	}
	m.buffer = m.buffer[:size]
	return m.buffer
}

// Free drops the memory.
func (m *memory) Free() { m.buffer = nil }
