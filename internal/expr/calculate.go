package expr

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"
)

func (r *run) calculate(operator string, a, b any) (any, error) {
	if x, ok := a.(string); ok && operator == "+" {
		if y, ok := b.(string); ok {
			if err := r.spendText(len(x) + len(y)); err != nil {
				return nil, err
			}
			return x + y, nil
		}
	}
	if isTemporal(a) || isTemporal(b) {
		return calculateTime(operator, a, b)
	}
	x, err := numberOf(a)
	if err != nil {
		return nil, mismatch(operator, a, b, err)
	}
	y, err := numberOf(b)
	if err != nil {
		return nil, mismatch(operator, a, b, err)
	}
	return calculateNumber(operator, x, y)
}

// mismatch says which types do not go together, unless both are numbers and
// numberOf knows better.
func mismatch(operator string, a, b any, err error) error {
	_, digits := a.(json.Number)
	_, also := b.(json.Number)
	if digits || also {
		if typeName(a) == "number" && typeName(b) == "number" {
			return err
		}
	}
	return failf("%s does not work on %s and %s", operator, typeName(a), typeName(b))
}

func calculateNumber(operator string, x, y number) (any, error) {
	whole := !x.isFloat && !y.isFloat
	switch operator {
	case "+":
		if whole {
			return addInt(x.i, y.i)
		}
		return finite(x.float() + y.float())
	case "-":
		if whole {
			return subInt(x.i, y.i)
		}
		return finite(x.float() - y.float())
	case "*":
		if whole {
			return mulInt(x.i, y.i)
		}
		return finite(x.float() * y.float())
	case "/":
		if y.float() == 0 {
			return nil, failf("division by zero")
		}
		return finite(x.float() / y.float())
	case "%":
		return modulo(x, y)
	case "**", "^":
		return finite(math.Pow(x.float(), y.float()))
	}
	return nil, failf("the operator %s is not supported", operator)
}

func modulo(x, y number) (any, error) {
	a, err := integer(x.value())
	if err != nil {
		return nil, failf("%% needs whole numbers")
	}
	b, err := integer(y.value())
	if err != nil {
		return nil, failf("%% needs whole numbers")
	}
	if b == 0 {
		return nil, failf("division by zero")
	}
	return a % b, nil
}

// ordered compares numbers, strings, instants or durations.
func (r *run) ordered(operator string, a, b any) (any, error) {
	c, err := r.compare(a, b)
	if err != nil {
		return nil, err
	}
	switch operator {
	case "<":
		return c < 0, nil
	case ">":
		return c > 0, nil
	case "<=":
		return c <= 0, nil
	}
	return c >= 0, nil
}

func (r *run) compare(a, b any) (int, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), r.spendText(min(len(x), len(y)))
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return cmp.Compare(x, y), nil
		}
	}
	x, err := numberOf(a)
	if err != nil {
		return 0, mismatch("comparing", a, b, err)
	}
	y, err := numberOf(b)
	if err != nil {
		return 0, mismatch("comparing", a, b, err)
	}
	return compareNumber(x, y), nil
}

func compareNumber(x, y number) int {
	if !x.isFloat && !y.isFloat {
		return cmp.Compare(x.i, y.i)
	}
	return cmp.Compare(x.float(), y.float())
}
