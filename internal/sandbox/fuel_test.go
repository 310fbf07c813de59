package sandbox

import (
	"bytes"
	"os"
	"testing"
)

// The meter changes nothing of a module that has no loops, and refuses what it
// cannot read.
func TestFuelOfModules(t *testing.T) {
	t.Parallel()
	head := []byte("\x00asm\x01\x00\x00\x00")
	types := []byte{1, 5, 1, 0x60, 0, 1, 0x7f}
	imports := []byte{2, 7, 1, 1, 'e', 1, 'r', 0, 0}
	functions := []byte{3, 2, 1, 0}
	globals := []byte{6, 6, 1, 0x7f, 0, 0x41, 5, 0x0b}
	module := func(code ...byte) []byte {
		body := append([]byte{0}, code...)
		section := append([]byte{10, byte(len(body) + 2), 1, byte(len(body))}, body...)
		return bytes.Join([][]byte{head, types, imports, functions, globals, section}, nil)
	}
	for name, test := range map[string]struct {
		code, want []byte
	}{
		"no loop":   {[]byte{0x41, 3, 0x0b}, []byte{0x41, 3, 0x0b}},
		"constants": {[]byte{0x44, 3, 3, 3, 3, 3, 3, 3, 3, 0x1a, 0x41, 0x83, 0x03, 0x0b}, []byte{0x44, 3, 3, 3, 3, 3, 3, 3, 3, 0x1a, 0x41, 0x83, 0x03, 0x0b}},
		"a loop": {
			[]byte{0x03, 0x40, 0x0b, 0x41, 3, 0x0b},
			[]byte{0x03, 0x40, 0x23, 1, 0x41, 1, 0x6b, 0x24, 1, 0x23, 1, 0x45, 0x04, 0x40, 0x10, 0, 0x24, 1, 0x0b, 0x0b, 0x41, 3, 0x0b},
		},
	} {
		out, err := fuelled(module(test.code...), "r")
		if err != nil || !bytes.HasSuffix(out, test.want) || !bytes.Contains(out, []byte{6, 11, 2, 0x7f, 0, 0x41, 5, 0x0b, 0x7f, 1, 0x41, 1, 0x0b}) {
			t.Errorf("%s: %x, %v", name, out, err)
		}
	}
	for name, bad := range map[string][]byte{
		"empty": {}, "text": []byte("not a module"), "cut": module(0x0b)[:20], "vectors": module(0xfd, 0, 0x0b), "unknown": module(0xc5, 0x0b),
		"no function": append(bytes.Clone(head), 10, 1, 0), "number": module(0x41, 0x80),
	} {
		if _, err := fuelled(bad, "r"); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Cutting the engine anywhere, or changing a byte, is an error or another module,
// never a crash.
func FuzzFuel(f *testing.F) {
	b, err := os.ReadFile("quickjs/quickjs.wasm")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(len(b)-1, byte(0))
	f.Add(5000, byte(0xff))
	f.Add(600_000, byte(0x80))
	f.Fuzz(func(_ *testing.T, at int, with byte) {
		if at < 0 || at >= len(b) {
			return
		}
		changed := bytes.Clone(b)
		changed[at] = with
		_, _ = fuelled(changed, refuelName)
		_, _ = fuelled(changed[:at], refuelName)
	})
}
