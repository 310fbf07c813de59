package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

const (
	codeSyntax = "script_syntax"
	codeFailed = "script_failed"

	// file is how the script is called in stack traces.
	file = "script"
)

// thrown is an exception of JavaScript that nobody caught.
type thrown struct {
	Name    string `json:"name"` // of an Error; "" for any other value
	Message string `json:"message"`
	Stack   string `json:"stack"`
}

func (t thrown) Error() string { return t.Name + ": " + t.Message }

// errUnknown is an exception that could not be described, for want of memory say.
var errUnknown = errors.New("an exception that could not be described")

var place = regexp.MustCompile(`\b` + file + `:(\d+)`)

// at puts the line where it happened in front of a message, as far as the
// topmost frame in the script tells. last is the last line there is: what wraps
// the script may end one further down.
func (t thrown) at(last int, message string) string {
	m := place.FindStringSubmatch(t.Stack)
	if m == nil {
		return message
	}
	line, _ := strconv.Atoi(m[1])
	return fmt.Sprintf("line %d: %s", min(line, last), message)
}

// text is what was thrown, in one line.
func (t thrown) text() string {
	what := t.Message
	switch {
	case t.Name != "" && what != "":
		what = t.Name + ": " + what
	case t.Name != "":
		what = t.Name
	case what == "":
		what = "it threw an empty text"
	}
	return printable(what)
}

// maxMessage is where the message of an exception is cut off.
const maxMessage = 1000

// printable makes one line of a text that a script chose.
func printable(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// described reads what the harness says of an exception.
func described(text []byte) error {
	var t thrown
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	return t
}

// problem is the error of whatever went wrong in an instance; code is for what
// the script threw.
func (i *instance) problem(code string, limits Limits, err error) error {
	if t, ok := errors.AsType[thrown](err); ok {
		return i.uncaught(code, limits, t)
	}
	if i.memory.denied {
		return tooMuchMemory(limits).Because(err)
	}
	if errors.Is(err, errUnknown) {
		return problem.New(problem.Invalid, code, "the script threw something that cannot be described").Because(err)
	}
	return err
}

// uncaught is the error of what the script threw. That it ran out of memory is
// not believed for the text alone.
func (i *instance) uncaught(code string, limits Limits, t thrown) error {
	switch {
	case i.memory.denied && t.Message == "out of memory":
		return tooMuchMemory(limits)
	case t.Message == "Maximum call stack size exceeded":
		return problem.New(problem.TooLarge, "script_stack", t.at(i.lines, "the script calls itself, or nests values, too deeply"))
	}
	return problem.New(problem.Invalid, code, t.at(i.lines, t.text()))
}

// verdict turns whatever ended a run into the problem that its caller sees.
func verdict(ctx, running context.Context, limits Limits, err error) error {
	switch {
	case ctx.Err() != nil:
		return stopped(ctx).Because(err)
	case running.Err() != nil:
		return problem.Newf(problem.Timeout, "script_timeout", "the script took longer than %s", limits.Time).
			Fix("give it more time, where that can be set, or less work").Because(err)
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return problem.New(problem.Internal, "script_crashed", "the script crashed its sandbox").Because(err)
}

// stopped is the error of a run whose context ended.
func stopped(ctx context.Context) *problem.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return problem.New(problem.Timeout, "script_timeout", "the script did not end in time")
	}
	return problem.New(problem.Unavailable, "script_cancelled", "the script was stopped before its end")
}

// notBegun is the error of a run that waited for its turn in vain.
func notBegun(ctx context.Context) *problem.Error {
	p := stopped(ctx)
	p.Message = "the script did not get its turn in time: too many others are running"
	return p
}

func tooMuchMemory(limits Limits) *problem.Error {
	return problem.Newf(problem.TooLarge, "script_memory", "the script needs more than its %d MB of memory", limits.Memory>>20).
		Fix("give the node more memory, or the script less data")
}

func tooLong() *problem.Error {
	return problem.Newf(problem.TooLarge, "script_source_too_large", "the script has more than %d bytes", MaxSource)
}

func outputTooLarge(limits Limits) *problem.Error {
	return problem.Newf(problem.TooLarge, "script_output_too_large", "the script's result has more than %d bytes of JSON", limits.Output).
		Fix("return less")
}
