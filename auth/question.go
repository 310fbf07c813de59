package auth

import "context"

type questionKey struct{}

// AsQuestion returns a context in which [Authorize] is only asked whether it may
// be, to show less or to tell of it: a no is not an attempt that was denied.
func AsQuestion(ctx context.Context) context.Context {
	return context.WithValue(ctx, questionKey{}, true)
}

// IsQuestion reports whether ctx is of [AsQuestion].
func IsQuestion(ctx context.Context) bool {
	is, _ := ctx.Value(questionKey{}).(bool)
	return is
}
