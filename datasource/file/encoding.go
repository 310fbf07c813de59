package file

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	bufferSize = 64 << 10
	peeked     = 32 << 10 // as much of a file as its encoding and delimiter are found by
)

// encodings are those that can be chosen. A mark at the beginning is left out.
var encodings = map[string]encoding.Encoding{
	"utf-8":        unicode.UTF8BOM,
	"utf-16le":     unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16be":     unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"windows-1250": charmap.Windows1250,
	"windows-1251": charmap.Windows1251,
	"windows-1252": charmap.Windows1252,
	"iso-8859-1":   charmap.ISO8859_1,
	"iso-8859-2":   charmap.ISO8859_2,
	"iso-8859-15":  charmap.ISO8859_15,
}

func encodingNames() []string {
	return append([]string{"auto"}, slices.Sorted(maps.Keys(encodings))...)
}

// decoded reads a file as UTF-8.
func decoded(body io.Reader, name string) (*bufio.Reader, error) {
	raw := bufio.NewReaderSize(body, bufferSize)
	enc := encodings[name]
	if enc == nil {
		beginning, err := raw.Peek(peeked)
		if err != nil && err != io.EOF {
			return nil, err
		}
		enc = encodings[detect(beginning, len(beginning) == peeked)]
	}
	return bufio.NewReaderSize(enc.NewDecoder().Reader(raw), bufferSize), nil
}

func detect(beginning []byte, more bool) string {
	switch {
	case bytes.HasPrefix(beginning, []byte{0xff, 0xfe}):
		return "utf-16le"
	case bytes.HasPrefix(beginning, []byte{0xfe, 0xff}):
		return "utf-16be"
	}
	for i := 1; more && i < utf8.UTFMax && i <= len(beginning); i++ { // a character at the end may go on
		if utf8.RuneStart(beginning[len(beginning)-i]) {
			beginning = beginning[:len(beginning)-i]
			break
		}
	}
	if utf8.Valid(beginning) {
		return "utf-8"
	}
	return "windows-1252"
}

var delimiterNames = []string{"auto", "comma", "semicolon", "tab", "pipe"}

// delimiter is the one that is chosen, or that the first row has most of outside
// of quotation marks.
func delimiter(text *bufio.Reader, name string) (rune, error) {
	known := map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t', "pipe": '|'}
	if r, ok := known[name]; ok {
		return r, nil
	}
	beginning, err := text.Peek(peeked)
	if err != nil && err != io.EOF {
		return 0, err
	}
	most, quotes := ',', false
	counts := map[rune]int{}
	for _, c := range strings.TrimLeft(string(beginning), "\r\n") {
		switch {
		case c == '"':
			quotes = !quotes
		case quotes:
		case c == '\n' || c == '\r':
			return most, nil
		case strings.ContainsRune(",;\t|", c):
			if counts[c]++; counts[c] > counts[most] {
				most = c
			}
		}
	}
	return most, nil
}
