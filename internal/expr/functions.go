package expr

import "fmt"

// function is one that an expression can call. It gets values of the language
// and answers with one; its errors never repeat a value.
type function struct {
	least, most int // arguments; most < 0 = any number
	call        func(r *run, args []any) (any, error)
}

func (f function) arity(n int) error {
	switch {
	case n < f.least && f.least == f.most, f.most >= 0 && n > f.most && f.least == f.most:
		return fmt.Errorf("takes %d arguments, got %d", f.least, n)
	case n < f.least:
		return fmt.Errorf("takes at least %d arguments, got %d", f.least, n)
	case f.most >= 0 && n > f.most:
		return fmt.Errorf("takes at most %d arguments, got %d", f.most, n)
	}
	return nil
}

// functions is the whole list. It is only read.
var functions = map[string]function{
	"len":      {1, 1, lenFn},
	"type":     {1, 1, func(_ *run, a []any) (any, error) { return typeName(a[0]), nil }},
	"string":   {1, 1, func(r *run, a []any) (any, error) { return r.text(a[0]) }},
	"int":      {1, 1, intFn},
	"float":    {1, 1, floatFn},
	"get":      {2, 3, getFn},
	"toJSON":   {1, 1, func(r *run, a []any) (any, error) { return r.json(a[0]) }},
	"fromJSON": {1, 1, fromJSONFn},

	"abs":    {1, 1, absFn},
	"ceil":   {1, 1, ceilFn},
	"floor":  {1, 1, floorFn},
	"round":  {1, 2, roundFn},
	"min":    {1, -1, minFn},
	"max":    {1, -1, maxFn},
	"mean":   {1, -1, meanFn},
	"median": {1, -1, medianFn},

	"trim":        {1, 2, trimFn},
	"trimPrefix":  {2, 2, trimPrefixFn},
	"trimSuffix":  {2, 2, trimSuffixFn},
	"upper":       {1, 1, upperFn},
	"lower":       {1, 1, lowerFn},
	"split":       {2, 2, splitFn},
	"join":        {1, 2, joinFn},
	"replace":     {3, 3, replaceFn},
	"repeat":      {2, 2, repeatFn},
	"indexOf":     {2, 2, indexOfFn},
	"lastIndexOf": {2, 2, lastIndexOfFn},
	"hasPrefix":   {2, 2, operatorFn("startsWith")},
	"hasSuffix":   {2, 2, operatorFn("endsWith")},
	"toBase64":    {1, 1, toBase64Fn},
	"fromBase64":  {1, 1, fromBase64Fn},

	"first":   {1, 1, firstFn},
	"last":    {1, 1, lastFn},
	"take":    {2, 2, takeFn},
	"reverse": {1, 1, reverseFn},
	"uniq":    {1, 1, uniqFn},
	"concat":  {1, -1, concatFn},
	"flatten": {1, 1, flattenFn},
	"sort":    {1, 2, sortFn},
	"keys":    {1, 1, keysFn},
	"values":  {1, 1, valuesFn},

	"now":      {0, 0, nowFn},
	"date":     {1, 2, dateFn},
	"duration": {1, 1, durationFn},
	"format":   {2, 2, formatFn},
}

func operatorFn(operator string) func(*run, []any) (any, error) {
	return func(r *run, args []any) (any, error) { return r.operate(operator, args[0], args[1]) }
}

func textArg(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", failf("expected a string, got %s", typeName(v))
	}
	return s, nil
}

func listArg(v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, failf("expected an array, got %s", typeName(v))
	}
	return list, nil
}

func objectArg(v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, failf("expected an object, got %s", typeName(v))
	}
	return m, nil
}
