package problem

import (
	"fmt"
	"strings"
)

// MaxPath is where the path of a fault is cut off, in bytes. It repeats names
// that somebody chose: a long one in front of many items would be copied for each.
const MaxPath = 256

// Below is the path of a part of what is at path: a ".member" or an "[item]".
func Below(path, part string) string {
	switch {
	case strings.HasSuffix(path, "…"):
		return path
	case len(path)+len(part) > MaxPath:
		return strings.ToValidUTF8((path + part)[:MaxPath], "") + "…"
	}
	return path + part
}

// Faults collects everything that is wrong with an input, so that a caller
// learns of all of it at once. The zero value is ready; it is not safe for
// concurrent use.
//
//	var f problem.Faults
//	f.Check(in.Name != "", "name", "must not be empty")
//	return f.Err("datasource_invalid", "the datasource is not valid")
type Faults struct{ list []Fault }

// Add notes a fault. The message must not repeat the rejected value.
func (f *Faults) Add(path, message string) {
	f.list = append(f.list, Fault{Path: path, Message: message})
}

// Addf is [Faults.Add] with formatting.
func (f *Faults) Addf(path, format string, args ...any) { f.Add(path, fmt.Sprintf(format, args...)) }

// Check notes a fault unless ok.
func (f *Faults) Check(ok bool, path, message string) {
	if !ok {
		f.Add(path, message)
	}
}

// Merge takes over the faults of err, each below prefix. An error without
// faults becomes one fault with its public message.
func (f *Faults) Merge(prefix string, err error) {
	if err == nil {
		return
	}
	e := Of(err)
	if len(e.Faults) == 0 {
		f.Add(prefix, e.Message)
		return
	}
	for _, fault := range e.Faults {
		f.Add(join(prefix, fault.Path), fault.Message)
	}
}

// List is what was collected so far.
func (f *Faults) List() []Fault { return f.list }

// Err is nil when nothing was collected, else an [Invalid] error with all of it.
func (f *Faults) Err(code, message string) error {
	if len(f.list) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Code: code, Message: message, Faults: f.list}
}

func join(prefix, path string) string {
	switch {
	case prefix == "":
		return path
	case path == "":
		return prefix
	}
	return prefix + "." + path
}
