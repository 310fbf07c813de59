package audit

import "context"

// ForgetOf is Forget for one record.
func (l *Log) ForgetOf(ctx context.Context, tenantID string) error {
	return l.forgetOf(ctx, tenantID, l.clock.Now().Add(-l.retention))
}

// Flush writes what may be told of denied attempts, or all of it.
func (l *Log) Flush(ctx context.Context, all bool) error { return l.flush(ctx, all) }

// Forget drops what is older than the retention.
func (l *Log) Forget(ctx context.Context) error { return l.forget(ctx) }

// The sizes that tests of behaviour need.
const (
	DenialsOfTenant = denialsOfTenant
	DenialsWaiting  = denialsWaiting
	DenialWindow    = denialWindow
	MaxDetail       = maxDetail
)

// DetailOf is the text of an entry's detail.
func DetailOf(e Entry) (string, error) { return e.detail() }
