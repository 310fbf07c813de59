package expr

import (
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/problem"
)

// Value is a decoded JSON value, such as the configuration of a node, whose
// strings are templates. The names of members are not. It is immutable and safe
// for concurrent use.
type Value struct {
	root    field
	refs    []Ref
	literal []string
}

// field is a place in a value: a template, a list, an object or a constant.
type field struct {
	template *Template
	list     []field
	names    []string // of an object, sorted; list holds the members in that order
	constant any
	kind     fieldKind
}

type fieldKind int

const (
	isConstant fieldKind = iota
	isTemplate
	isList
	isObject
)

// ParseValue compiles every string in v, the result of decoding JSON. It fails
// with an Invalid problem, "expression_invalid", that lists all faults with the
// path inside the value, such as "headers.Authorization" or "items[0]"; the value
// is then good for the Refs of what has none. The members with the paths in
// literal are constants: their strings are not read.
func ParseValue(v any, literal ...string) (*Value, error) {
	value := &Value{literal: literal}
	var faults problem.Faults
	value.root = value.parse(v, "", 0, &faults)
	return value, faults.Err(codeInvalid, messageInvalid)
}

func (v *Value) parse(raw any, path string, depth int, faults *problem.Faults) field {
	if depth > MaxDepth {
		faults.Add(path, "is nested too deeply")
		return field{}
	}
	if slices.Contains(v.literal, path) {
		return constantField(raw, path, depth, faults)
	}
	switch raw := raw.(type) {
	case string:
		t, err := parseTemplate(raw)
		if err != nil {
			faults.Add(path, err.Error())
			return field{}
		}
		v.note(t.refs)
		return field{kind: isTemplate, template: t}
	case []any:
		f := field{kind: isList, list: make([]field, len(raw))}
		for i, item := range raw {
			f.list[i] = v.parse(item, element(path, i), depth+1, faults)
		}
		return f
	case map[string]any:
		f := field{kind: isObject, names: sortedKeys(raw)}
		for _, name := range f.names {
			f.list = append(f.list, v.parse(raw[name], below(path, name), depth+1, faults))
		}
		return f
	}
	return constantField(raw, path, depth, faults)
}

func constantField(raw any, path string, depth int, faults *problem.Faults) field {
	constant, err := newRun(nil).export(raw, depth)
	if err != nil {
		faults.Add(path, err.Error())
	}
	return field{constant: constant}
}

func (v *Value) note(refs []Ref) {
	for _, r := range refs {
		if !slices.Contains(v.refs, r) {
			v.refs = append(v.refs, r)
		}
	}
}

func element(path string, i int) string { return problem.Below(path, "["+strconv.Itoa(i)+"]") }

func below(path, name string) string {
	if path != "" {
		name = "." + name
	}
	return problem.Below(path, name)
}

// Refs is what the value reads, each once.
func (v *Value) Refs() []Ref { return slices.Clone(v.refs) }

// Eval gives a deep copy of the value in which every template is resolved. It
// fails with an Invalid problem, "expression_failed", that lists all templates
// that could not be, with their paths. The limit of work is for all of them
// together.
func (v *Value) Eval(env Env) (any, error) {
	r := newRun(env)
	var faults problem.Faults
	out := r.resolve(v.root, "", &faults)
	if err := faults.Err(codeFailed, messageFailed); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *run) resolve(f field, path string, faults *problem.Faults) any {
	switch f.kind {
	case isTemplate:
		out, err := f.template.eval(r)
		if err != nil {
			faults.Add(path, err.Error())
		}
		return out
	case isList:
		out := make([]any, len(f.list))
		for i, item := range f.list {
			out[i] = r.resolve(item, element(path, i), faults)
		}
		return out
	case isObject:
		out := make(map[string]any, len(f.list))
		for i, name := range f.names {
			out[name] = r.resolve(f.list[i], below(path, name), faults)
		}
		return out
	}
	return f.constant
}
