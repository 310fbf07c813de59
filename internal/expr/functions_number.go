package expr

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// intFn takes a whole number, or the text of one; what is behind the point is
// cut off.
func intFn(r *run, args []any) (any, error) {
	v, err := floatFn(r, args)
	if err != nil {
		return nil, err
	}
	if n, err := wholeText(args[0]); err == nil {
		return n, nil
	}
	return integer(math.Trunc(v.(float64)))
}

// wholeText reads a number that is whole as it stands, with all its digits.
func wholeText(v any) (int, error) {
	if s, ok := v.(string); ok {
		v = json.Number(strings.TrimSpace(s))
	}
	return integer(v)
}

// floatFn takes a number or the text of one, rounded to a float64.
func floatFn(r *run, args []any) (any, error) {
	text := ""
	switch v := args[0].(type) {
	case int:
		return float64(v), nil
	case float64:
		return v, nil
	case json.Number:
		text = string(v)
	case string:
		text = strings.TrimSpace(v)
	default:
		return nil, failf("expected a number or its text, got %s", typeName(v))
	}
	if err := r.spendText(len(text)); err != nil {
		return nil, err
	}
	n, _, err := parseNumber(text)
	if err != nil {
		return nil, failf("the text is not a number")
	}
	return n.float(), nil
}

func absFn(_ *run, args []any) (any, error) {
	n, err := numberOf(args[0])
	switch {
	case err != nil:
		return nil, err
	case n.isFloat:
		return math.Abs(n.f), nil
	case n.i < 0:
		return subInt(0, n.i)
	}
	return n.i, nil
}

func ceilFn(_ *run, args []any) (any, error)  { return rounded(args[0], math.Ceil) }
func floorFn(_ *run, args []any) (any, error) { return rounded(args[0], math.Floor) }

func rounded(v any, f func(float64) float64) (any, error) {
	n, err := numberOf(v)
	if err != nil || !n.isFloat {
		return n.value(), err
	}
	return f(n.f), nil
}

// roundFn rounds half away from zero, to a number of digits behind the point.
func roundFn(_ *run, args []any) (any, error) {
	digits := 0
	if len(args) == 2 {
		var err error
		if digits, err = integer(args[1]); err != nil {
			return nil, err
		}
		if digits < 0 || digits > 15 {
			return nil, failf("the digits have to be between 0 and 15")
		}
	}
	factor := math.Pow10(digits)
	v, err := rounded(args[0], func(f float64) float64 {
		if scaled := f * factor; !math.IsInf(scaled, 0) {
			return math.Round(scaled) / factor
		}
		return f
	})
	return v, err
}

// numbers takes the arguments, or the arrays among them, as numbers.
func (r *run) numbers(args []any) ([]number, error) {
	var out []number
	for _, arg := range args {
		list, ok := arg.([]any)
		if !ok {
			list = []any{arg}
		}
		if err := r.spend(2 * len(list)); err != nil {
			return nil, err
		}
		for _, v := range list {
			v, err := normal(nil, v)
			if err != nil {
				return nil, err
			}
			n, err := numberOf(v)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, failf("there are no numbers")
	}
	return out, nil
}

func minFn(r *run, args []any) (any, error) {
	list, err := r.numbers(args)
	if err != nil {
		return nil, err
	}
	return slices.MinFunc(list, compareNumber).value(), nil
}

func maxFn(r *run, args []any) (any, error) {
	list, err := r.numbers(args)
	if err != nil {
		return nil, err
	}
	return slices.MaxFunc(list, compareNumber).value(), nil
}

func meanFn(r *run, args []any) (any, error) {
	list, err := r.numbers(args)
	if err != nil {
		return nil, err
	}
	total := 0.0
	for _, n := range list {
		total += n.float()
	}
	return finite(total / float64(len(list)))
}

func medianFn(r *run, args []any) (any, error) {
	list, err := r.numbers(args)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, compareNumber)
	middle := len(list) / 2
	if len(list)%2 == 1 {
		return list[middle].float(), nil
	}
	return finite(list[middle-1].float()/2 + list[middle].float()/2)
}
