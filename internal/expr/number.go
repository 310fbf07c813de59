package expr

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// number is an operand of a calculation: an int, or a float when isFloat.
type number struct {
	i       int
	f       float64
	isFloat bool
}

func (n number) float() float64 {
	if n.isFloat {
		return n.f
	}
	return float64(n.i)
}

func (n number) value() any {
	if n.isFloat {
		return n.f
	}
	return n.i
}

// numberOf takes a value as an operand, without losing a digit.
func numberOf(v any) (number, error) {
	switch v := v.(type) {
	case int:
		return number{i: v}, nil
	case float64:
		return number{f: v, isFloat: true}, nil
	case json.Number:
		if len(v) > maxDigits {
			return number{}, errDigits
		}
		n, exact, err := parseNumber(string(v))
		if err == nil && !exact {
			err = errDigits
		}
		return n, err
	}
	return number{}, failf("expected a number, got %s", typeName(v))
}

// maxDigits bounds the work of reading a number: what is longer than this is
// either more exact than a float64 or needlessly written out.
const maxDigits = 64

var errDigits = failf("the number has more digits than arithmetic keeps (float() rounds it)")

// parseNumber reads a JSON number. It is not exact when digits were lost.
func parseNumber(text string) (n number, exact bool, err error) {
	if i, err := strconv.Atoi(text); err == nil {
		return number{i: i}, true, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return number{}, false, failf("not a number that can be calculated with")
	}
	exact = digits(text) == digits(strconv.FormatFloat(f, 'e', -1, 64))
	return number{f: f, isFloat: true}, exact, nil
}

// digits are the significant digits of a decimal number. Two spellings of about
// the same size are the same number when their digits are equal.
func digits(text string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	mantissa = strings.TrimLeft(mantissa, "+-")
	mantissa = strings.Replace(mantissa, ".", "", 1)
	return strings.Trim(mantissa, "0")
}

// integer takes a value as a whole number.
func integer(v any) (int, error) {
	n, err := numberOf(v)
	if err != nil {
		return 0, err
	}
	if !n.isFloat {
		return n.i, nil
	}
	if n.f != math.Trunc(n.f) || math.Abs(n.f) >= 1<<63 {
		return 0, failf("expected a whole number")
	}
	return int(n.f), nil
}

// finite refuses what JSON cannot carry.
func finite(f float64) (any, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, failf("the result is not a finite number")
	}
	return f, nil
}

var errOverflow = failf("the result is too large for a whole number")

func addInt(a, b int) (any, error) {
	c := a + b
	if (c > a) != (b > 0) {
		return nil, errOverflow
	}
	return c, nil
}

func subInt(a, b int) (any, error) {
	c := a - b
	if (c < a) != (b > 0) {
		return nil, errOverflow
	}
	return c, nil
}

func mulInt(a, b int) (any, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	c := a * b
	if (c < 0) != ((a < 0) != (b < 0)) || c/b != a {
		return nil, errOverflow
	}
	return c, nil
}

// formatFloat writes a float the way JavaScript does: no exponent for everyday
// sizes.
func formatFloat(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-7 || a >= 1e21) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
