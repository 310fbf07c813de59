package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// fuelled gives a module a meter, so that it can be ended in the middle of any
// loop: each turn takes one from a global, and at zero it calls the host's
// function named by refuel, which gives a new amount or ends the run.
//
// wazero can end a module by itself, but leaves the compiled code for it at each
// turn of each loop, which makes an interpreter like QuickJS five times slower.
// Nor can Go interrupt compiled code, to collect garbage say, until it comes
// back to the host by itself.
func fuelled(module []byte, refuel string) ([]byte, error) {
	if len(module) < 8 || string(module[:4]) != "\x00asm" {
		return nil, errors.New("not a WebAssembly module")
	}
	m := meter{refuel: -1, fuel: -1}
	out := slices.Clone(module[:8])
	r := &reader{bytes: module[8:]}
	for r.err == nil && len(r.bytes) > 0 {
		id := r.byte()
		body := &reader{bytes: r.take(int(r.uint()))}
		if r.err != nil {
			break
		}
		content := body.bytes
		switch id {
		case sectionImport:
			m.imports(body, refuel)
		case sectionGlobal:
			content = m.globals(body)
		case sectionCode:
			content = m.code(body)
		}
		if body.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, body.err)
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(content)))
		out = append(out, content...)
	}
	return out, r.err
}

// The sections of a module that matter here, and instructions, by their numbers
// in the WebAssembly core specification 2.0, §5.
const (
	sectionImport = 2
	sectionGlobal = 6
	sectionCode   = 10

	kindFunction, kindTable, kindMemory, kindGlobal = 0, 1, 2, 3

	opBlock, opLoop, opIf, opEnd   = 0x02, 0x03, 0x04, 0x0b
	opBr, opBrIf, opBrTable        = 0x0c, 0x0d, 0x0e
	opCall, opCallIndirect         = 0x10, 0x11
	opSelectTyped                  = 0x1c
	opLocalGet, opTableSet         = 0x20, 0x26
	opGlobalGet, opGlobalSet       = 0x23, 0x24
	opLoadFirst, opStoreLast       = 0x28, 0x3e
	opMemorySize, opMemoryGrow     = 0x3f, 0x40
	opI32Const, opI64Const         = 0x41, 0x42
	opF32Const, opF64Const         = 0x43, 0x44
	opI32Eqz, opI32Sub             = 0x45, 0x6b
	opNumericLast                  = 0xc4
	opRefNull, opRefIs, opRefFunc  = 0xd0, 0xd1, 0xd2
	opBulk                         = 0xfc
	typeI32, mutable, noBlockValue = 0x7f, 1, 0x40
)

// meter is what the code needs to know: the index of the function that refuels,
// and of the global that holds the fuel.
type meter struct{ refuel, fuel int }

// imports finds the function, and counts the globals that come from outside.
func (m *meter) imports(r *reader, name string) {
	functions := 0
	m.fuel = 0
	for range r.uint() {
		r.take(int(r.uint())) // of which module
		is := string(r.take(int(r.uint()))) == name
		switch r.byte() {
		case kindFunction:
			r.uint()
			if is {
				m.refuel = functions
			}
			functions++
		case kindGlobal:
			r.take(2)
			m.fuel++
		default:
			r.fail("imports a table or a memory")
		}
		if r.err != nil {
			return
		}
	}
}

// globals adds the one for the fuel, which is empty at first.
func (m *meter) globals(r *reader) []byte {
	count := r.uint()
	m.fuel += int(count)
	out := binary.AppendUvarint(nil, count+1)
	out = append(out, r.bytes...)
	return append(out, typeI32, mutable, opI32Const, 1, opEnd)
}

// code puts the meter at the head of each loop.
func (m *meter) code(r *reader) []byte {
	if m.refuel < 0 || m.fuel < 0 {
		r.fail("comes before the function that refuels, or the globals")
		return nil
	}
	count := r.uint()
	out := binary.AppendUvarint(nil, count)
	probe := m.probe()
	for n := uint64(0); n < count && r.err == nil; n++ {
		body := &reader{bytes: r.take(int(r.uint()))}
		f := function(body, probe)
		if body.err != nil {
			r.fail(fmt.Sprintf("function %d: %s", n, body.err))
		}
		out = binary.AppendUvarint(out, uint64(len(f)))
		out = append(out, f...)
	}
	return out
}

// probe is: fuel = fuel - 1; if fuel == 0 { fuel = refuel() }.
func (m *meter) probe() []byte {
	global := func(out []byte, op byte) []byte { return binary.AppendUvarint(append(out, op), uint64(m.fuel)) }
	p := global(nil, opGlobalGet)
	p = append(p, opI32Const, 1, opI32Sub)
	p = global(p, opGlobalSet)
	p = global(p, opGlobalGet)
	p = append(p, opI32Eqz, opIf, noBlockValue, opCall)
	p = binary.AppendUvarint(p, uint64(m.refuel))
	p = global(p, opGlobalSet)
	return append(p, opEnd)
}

// function copies the code of a function with the probe behind each loop.
func function(r *reader, probe []byte) []byte {
	all := r.bytes
	var out []byte
	for range r.uint() { // groups of locals
		r.uint()
		r.byte()
	}
	copied := 0
	for r.err == nil && len(r.bytes) > 0 {
		op := r.byte()
		r.immediates(op)
		if op == opLoop {
			at := len(all) - len(r.bytes)
			out = append(append(out, all[copied:at]...), probe...)
			copied = at
		}
	}
	return append(out, all[copied:]...)
}

// reader reads the binary format. After the first error it gives zeros.
type reader struct {
	bytes []byte
	err   error
}

func (r *reader) fail(text string) {
	if r.err == nil {
		r.err = errors.New(text)
	}
	r.bytes = nil
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.bytes) {
		r.fail("is cut off")
		return nil
	}
	part := r.bytes[:n]
	r.bytes = r.bytes[n:]
	return part
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uint reads a number without a sign in LEB128.
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.bytes)
	if n <= 0 {
		r.fail("has a number that does not end")
		return 0
	}
	r.bytes = r.bytes[n:]
	return v
}

// skip passes over numbers, with a sign or without.
func (r *reader) skip(numbers int) {
	for ; numbers > 0 && r.err == nil; numbers-- {
		for r.byte() >= 0x80 {
		}
	}
}

// immediates skips what follows an instruction.
func (r *reader) immediates(op byte) {
	switch {
	case op == opBrTable:
		r.skip(int(r.uint()) + 1)
	case op == opSelectTyped:
		r.skip(int(r.uint()))
	case op == opCallIndirect, op >= opLoadFirst && op <= opStoreLast:
		r.skip(2)
	case op == opF32Const:
		r.take(4)
	case op == opF64Const:
		r.take(8)
	case op == opBulk:
		r.bulk(r.uint())
	case op == opBlock, op == opLoop, op == opIf, op == opBr, op == opBrIf, op == opCall,
		op >= opLocalGet && op <= opTableSet, op == opMemorySize, op == opMemoryGrow,
		op == opI32Const, op == opI64Const, op == opRefNull, op == opRefFunc:
		r.skip(1)
	case op > opNumericLast && op != opRefIs:
		r.fail(fmt.Sprintf("has the unknown instruction %#x", op))
	}
}

// bulk skips what follows an instruction of the second page: saturating
// conversions, and those on whole memories and tables.
func (r *reader) bulk(op uint64) {
	switch {
	case op <= 7:
	case op == 8, op == 10, op == 12, op == 14:
		r.skip(2)
	case op <= 17:
		r.skip(1)
	default:
		r.fail(fmt.Sprintf("has the unknown instruction 0xfc %d", op))
	}
}
