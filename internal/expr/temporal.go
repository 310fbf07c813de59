package expr

import (
	"math"
	"time"
)

func isTemporal(v any) bool {
	switch v.(type) {
	case time.Time, time.Duration:
		return true
	}
	return false
}

// calculateTime adds, subtracts and scales instants and durations.
func calculateTime(operator string, a, b any) (any, error) {
	switch x := a.(type) {
	case time.Time:
		switch y := b.(type) {
		case time.Time:
			if operator == "-" {
				return x.Sub(y), nil
			}
		case time.Duration:
			if operator == "+" {
				return x.Add(y), nil
			}
			if operator == "-" {
				return x.Add(-y), nil
			}
		}
	case time.Duration:
		switch y := b.(type) {
		case time.Time:
			if operator == "+" {
				return y.Add(x), nil
			}
		case time.Duration:
			return calculateDuration(operator, x, y)
		}
		if n, err := numberOf(b); err == nil {
			return scale(operator, x, n)
		}
	default:
		if n, err := numberOf(a); err == nil && operator == "*" {
			if d, ok := b.(time.Duration); ok {
				return scale(operator, d, n)
			}
		}
	}
	return nil, failf("%s does not work on %s and %s", operator, typeName(a), typeName(b))
}

func calculateDuration(operator string, a, b time.Duration) (any, error) {
	var v any
	var err error
	switch operator {
	case "+":
		v, err = addInt(int(a), int(b))
	case "-":
		v, err = subInt(int(a), int(b))
	case "/":
		if b == 0 {
			return nil, failf("division by zero")
		}
		return finite(float64(a) / float64(b))
	default:
		return nil, failf("%s does not work on two durations", operator)
	}
	if err != nil {
		return nil, err
	}
	return time.Duration(v.(int)), nil
}

func scale(operator string, d time.Duration, n number) (any, error) {
	f := float64(d)
	switch {
	case operator == "*":
		f *= n.float()
	case operator == "/" && n.float() != 0:
		f /= n.float()
	case operator == "/":
		return nil, failf("division by zero")
	default:
		return nil, failf("%s does not work on a duration and a number", operator)
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errOverflow
	}
	return time.Duration(f), nil
}

func nowFn(r *run, _ []any) (any, error) {
	t, ok := r.env.now()
	if !ok {
		return nil, failf("not available here")
	}
	return t, nil
}

// dateFn reads an instant. Without a layout it takes RFC 3339, a date, or a date
// and a time with a blank between, the latter two in UTC.
func dateFn(r *run, args []any) (any, error) {
	if t, ok := args[0].(time.Time); ok {
		return t, nil
	}
	texts, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	layouts := []string{time.RFC3339Nano, time.DateOnly, time.DateTime}
	if len(texts) == 2 {
		layouts = texts[1:]
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, texts[0]); err == nil {
			return t, nil
		}
	}
	return nil, failf("the text is not a date")
}

func durationFn(r *run, args []any) (any, error) {
	texts, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(texts[0])
	if err != nil {
		return nil, failf("the text is not a duration such as 1h30m")
	}
	return d, nil
}

// formatFn writes an instant with a layout of Go's time package.
func formatFn(r *run, args []any) (any, error) {
	t, ok := args[0].(time.Time)
	if !ok {
		return nil, failf("expected an instant, got %s", typeName(args[0]))
	}
	layout, err := textArg(args[1])
	if err != nil {
		return nil, err
	}
	// A layout can grow manifold: January is one of its longest words.
	if err := r.spendText(8 * len(layout)); err != nil {
		return nil, err
	}
	return t.Format(layout), nil
}
