package eio

import (
	"bytes"
	"encoding/json"
)

// space is what JSON allows between its tokens.
const space = " \t\r\n"

// Arguments takes apart the data of an event, valid JSON: its name and the first
// argument, nil when there is none. Further arguments are left out. The error is
// [ErrPacket].
func Arguments(data []byte) (name string, first []byte, err error) {
	if !opens(data, '[') {
		return "", nil, ErrPacket
	}
	rest := bytes.TrimLeft(data, space)[1:]
	quoted, rest := cutValue(rest)
	if !opens(quoted, '"') || json.Unmarshal(quoted, &name) != nil {
		return "", nil, ErrPacket
	}
	if first, _ = cutValue(rest); len(first) == 0 {
		first = nil
	}
	return name, first, nil
}

// cutValue takes an element of an array from the front, and the comma or bracket
// behind it. The array is valid: only strings can hide what ends a value.
func cutValue(s []byte) (value, rest []byte) {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ']'):
			return bytes.Trim(s[:i], space), s[i+1:]
		}
	}
	return nil, nil
}
