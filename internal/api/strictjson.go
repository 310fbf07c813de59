package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/problem"
)

// maxDepth is how deep arrays and objects of a body may nest.
const maxDepth = 64

// errSyntax ends the reading of a body that is not JSON. What the parser has to
// say quotes the body, so it is not passed on.
var errSyntax = errors.New("not JSON")

// parseStrict reads a JSON text into maps, slices, strings, float64 and bool, as
// encoding/json does. It notes what encoding/json lets pass and two readers may
// understand differently: a key that is there twice, text that is not UTF-8,
// NUL characters, anything behind the value.
func parseStrict(text []byte, faults *problem.Faults) any {
	if !utf8.Valid(text) {
		faults.Add("", "is not valid UTF-8")
		return nil
	}
	p := parser{Decoder: json.NewDecoder(bytes.NewReader(text)), faults: faults}
	p.UseNumber()
	value, err := p.value("", 0)
	if err == nil {
		if _, end := p.Token(); !errors.Is(end, io.EOF) {
			err = errSyntax
		}
	}
	if err != nil {
		p.fault("", "is not valid JSON")
	}
	return value
}

// parser keeps what it notes in proportion to the body: paths are cut off, and
// no more faults are noted than a reply tells.
type parser struct {
	*json.Decoder
	faults *problem.Faults
}

func (p parser) fault(path, message string) {
	if len(p.faults.List()) < maxFaults {
		p.faults.Add(problem.Below("", strings.TrimPrefix(path, ".")), message)
	}
}

func (p parser) value(path string, depth int) (any, error) {
	token, err := p.Token()
	if err != nil {
		return nil, errSyntax
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			p.fault(path, fmt.Sprintf("nests deeper than %d levels", maxDepth))
			return nil, errSyntax
		}
		if t == '{' {
			return p.object(path, depth+1)
		}
		return p.array(path, depth+1)
	case json.Number:
		return p.number(path, t), nil
	case string:
		p.text(path, t)
	}
	return token, nil
}

func (p parser) object(path string, depth int) (any, error) {
	members := map[string]any{}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return nil, errSyntax
		}
		key, ok := token.(string)
		if !ok {
			return nil, errSyntax
		}
		at := problem.Below(path, "."+key)
		p.text(at, key)
		if _, twice := members[key]; twice {
			p.fault(at, "is there more than once")
		}
		if members[key], err = p.value(at, depth); err != nil {
			return nil, err
		}
	}
	return members, p.end()
}

func (p parser) array(path string, depth int) (any, error) {
	items := []any{}
	for p.More() {
		item, err := p.value(problem.Below(path, "["+strconv.Itoa(len(items))+"]"), depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, p.end()
}

func (p parser) end() error {
	if _, err := p.Token(); err != nil {
		return errSyntax
	}
	return nil
}

func (p parser) number(path string, n json.Number) any {
	f, err := n.Float64()
	if err != nil {
		p.fault(path, "is a number out of range")
	}
	return f
}

func (p parser) text(path, s string) {
	if strings.Contains(s, "\x00") {
		p.fault(path, "has a NUL character")
	}
}
