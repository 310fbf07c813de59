package gofunc

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// field is an exported field of a struct, by its name in JSON.
type field struct {
	name     string
	index    []int
	typ      reflect.Type
	optional bool // omitempty or omitzero
}

// fieldsOf lists the fields of a struct as encoding/json sees them, those of
// embedded structs included.
func fieldsOf(t reflect.Type) ([]field, error) {
	var fields []field
	seen := map[string]bool{}
	var named [][]int // embedded structs that a tag makes fields of their own
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inside := func(outer []int) bool {
			return len(f.Index) > len(outer) && reflect.DeepEqual(f.Index[:len(outer)], outer)
		}
		switch {
		case contains(named, inside), f.Tag.Get("json") == "-", !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && tag == "" && structure(f.Type):
			continue
		case !f.IsExported():
			continue
		}
		if f.Anonymous {
			named = append(named, f.Index)
		}
		if tag == "" {
			tag = f.Name
		}
		if seen[tag] {
			return nil, fmt.Errorf("%s has two fields named %q", t, tag)
		}
		seen[tag] = true
		optional := strings.Contains(","+options+",", ",omitempty,") || strings.Contains(","+options+",", ",omitzero,")
		fields = append(fields, field{tag, f.Index, f.Type, optional})
	}
	return fields, nil
}

func contains(list [][]int, is func([]int) bool) bool {
	for _, e := range list {
		if is(e) {
			return true
		}
	}
	return false
}

// structure reports whether t is a struct, or points to one, that stands for its
// fields and not for one value.
func structure(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() && marshals(t) == none && !t.Implements(valuer)
}

// nullable reports whether JSON's null is a value of t.
func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return false
}
