// Package requestid carries the id of a request through its context, so that
// the reply, the log and the audit record name the same one.
package requestid

import "context"

type contextKey struct{}

// NewContext returns a context that carries the id.
func NewContext(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// FromContext returns the id, or "" outside of a request.
func FromContext(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}
