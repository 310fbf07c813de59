package expr

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// textFn is a function of one text that makes no more than grow times its size.
func textFn(r *run, args []any, grow int, f func(string) (any, error)) (any, error) {
	s, err := textArg(args[0])
	if err != nil {
		return nil, err
	}
	if err := r.spendText(grow * len(s)); err != nil {
		return nil, err
	}
	return f(s)
}

func upperFn(r *run, args []any) (any, error) {
	return textFn(r, args, 3, func(s string) (any, error) { return strings.ToUpper(s), nil })
}

func lowerFn(r *run, args []any) (any, error) {
	return textFn(r, args, 3, func(s string) (any, error) { return strings.ToLower(s), nil })
}

func toBase64Fn(r *run, args []any) (any, error) {
	return textFn(r, args, 2, func(s string) (any, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
}

func fromBase64Fn(r *run, args []any) (any, error) {
	return textFn(r, args, 2, func(s string) (any, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || !utf8.Valid(b) {
			return nil, failf("the text is not base64 of a text")
		}
		return string(b), nil
	})
}

// texts takes all arguments as strings and pays for reading them.
func (r *run) texts(args []any) ([]string, error) {
	out := make([]string, len(args))
	for i, arg := range args {
		s, err := textArg(arg)
		if err != nil {
			return nil, err
		}
		if err := r.spendText(len(s)); err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

func trimFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	if len(s) == 1 {
		return strings.TrimSpace(s[0]), nil
	}
	if err := r.spend(len(s[1])); err != nil {
		return nil, err
	}
	if len(s[1]) > 256 { // each character of one is looked up in the other
		return nil, failf("at most 256 bytes can be trimmed by")
	}
	return strings.Trim(s[0], s[1]), nil
}

func trimPrefixFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	return strings.TrimPrefix(s[0], s[1]), nil
}

func trimSuffixFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	return strings.TrimSuffix(s[0], s[1]), nil
}

func splitFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	parts := strings.Count(s[0], s[1]) + 1
	if err := r.spend(2 * parts); err != nil {
		return nil, err
	}
	return anys(strings.Split(s[0], s[1])), nil
}

func joinFn(r *run, args []any) (any, error) {
	list, err := listArg(args[0])
	if err != nil {
		return nil, err
	}
	parts, err := r.texts(list)
	if err != nil {
		return nil, err
	}
	glue := ""
	if len(args) == 2 {
		if glue, err = textArg(args[1]); err != nil {
			return nil, err
		}
	}
	if err := r.spendProduct(len(glue), len(parts)); err != nil {
		return nil, err
	}
	return strings.Join(parts, glue), nil
}

// spendProduct pays for n texts of size bytes, whose product may overflow.
func (r *run) spendProduct(size, n int) error {
	if size > 0 && n > 16*MaxWork/size {
		return errWork
	}
	return r.spendText(size * n)
}

func replaceFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	if err := r.spendProduct(len(s[2]), strings.Count(s[0], s[1])); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s[0], s[1], s[2]), nil
}

func repeatFn(r *run, args []any) (any, error) {
	s, err := textArg(args[0])
	if err != nil {
		return nil, err
	}
	n, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, failf("the count must not be negative")
	}
	if err := r.spendProduct(len(s), n); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

func indexOfFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	return characters(s[0], strings.Index(s[0], s[1])), nil
}

func lastIndexOfFn(r *run, args []any) (any, error) {
	s, err := r.texts(args)
	if err != nil {
		return nil, err
	}
	return characters(s[0], strings.LastIndex(s[0], s[1])), nil
}

// characters turns an offset in bytes into one in characters; -1 stays.
func characters(s string, offset int) int {
	if offset < 0 {
		return offset
	}
	return utf8.RuneCountInString(s[:offset])
}
