// Package tenantid carries the tenant of a call through its context, for what
// must not know the principal: it sits below auth.
package tenantid

import "context"

type contextKey struct{}

// NewContext returns a context whose call is made in a tenant; "" = in none.
// auth.NewContext calls it, nobody else has to.
func NewContext(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// FromContext returns the tenant of the call, or "" outside of a tenant.
func FromContext(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}
