package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// members calls each with the members of an object of a valid document, until it
// returns false. The values are parts of the document: nothing of it is copied.
func members(document json.RawMessage, each func(key string, value json.RawMessage) bool) {
	walk(document, func(d *json.Decoder) (string, bool) {
		key, err := d.Token()
		name, _ := key.(string)
		return name, err == nil
	}, each)
}

// Elements calls each with the elements of a list of a valid document, until it
// returns false. Of what is no list it calls nothing.
func Elements(document json.RawMessage, each func(element json.RawMessage) bool) {
	if first(document) == '[' {
		walk(document, func(*json.Decoder) (string, bool) { return "", true }, func(_ string, v json.RawMessage) bool { return each(v) })
	}
}

func walk(document json.RawMessage, name func(*json.Decoder) (string, bool), each func(string, json.RawMessage) bool) {
	d := json.NewDecoder(bytes.NewReader(document))
	if _, err := d.Token(); err != nil {
		return
	}
	var skipped json.RawMessage // its memory is used again and again
	for d.More() {
		key, ok := name(d)
		if !ok || d.Decode(&skipped) != nil {
			return
		}
		end := d.InputOffset()
		if !each(key, document[end-int64(len(skipped)):end]) {
			return
		}
	}
}

// Find is the value at a pointer in a valid document. Of members with the same
// name the last counts.
func Find(document json.RawMessage, pointer []string) (value json.RawMessage, ok bool) {
	for _, token := range pointer {
		if document, ok = step(document, token); !ok {
			return nil, false
		}
	}
	return document, true
}

func step(document json.RawMessage, token string) (below json.RawMessage, ok bool) {
	switch first(document) {
	case '{':
		members(document, func(key string, value json.RawMessage) bool {
			if key == token {
				below, ok = value, true
			}
			return true
		})
	case '[':
		index, err := strconv.Atoi(token)
		if err != nil || index < 0 {
			return nil, false
		}
		Elements(document, func(element json.RawMessage) bool {
			if index == 0 {
				below, ok = element, true
			}
			index--
			return !ok
		})
	}
	return below, ok
}

func first(document []byte) byte {
	if trimmed := bytes.TrimLeft(document, " \t\r\n"); len(trimmed) > 0 {
		return trimmed[0]
	}
	return 0
}
