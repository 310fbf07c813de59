package auth

import (
	"context"

	"github.com/jetadmin/jetadmin/problem"
)

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

// May reports whether the principal of ctx may do this, as a question ([AsQuestion]).
func (a Authorize) May(ctx context.Context, permission Permission, objectID string) (bool, error) {
	_, err := a(AsQuestion(ctx), permission, objectID)
	if problem.Is(err, problem.Forbidden) {
		return false, nil
	}
	return err == nil, err
}
