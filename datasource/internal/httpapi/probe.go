package httpapi

import (
	"context"
	"net/url"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
)

// Probe is the connection test of an API: its host resolves, then it is pinged.
// base is where the settings lead, or why they do not.
func Probe(ctx context.Context, base *url.URL, err error, policy egress.Policy, open func() (datasource.Conn, error), step func(datasource.Step)) {
	if err == nil {
		err = resolve(ctx, base, policy)
	}
	step(datasource.StepOf("resolve", err))
	if err != nil {
		return
	}
	conn, err := open()
	if err == nil {
		err = conn.Ping(ctx)
		_ = conn.Close()
	}
	step(datasource.StepOf("request", err))
}

func resolve(ctx context.Context, base *url.URL, policy egress.Policy) error {
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	if _, err := policy.Lookup(ctx, base.Hostname(), port); err != nil {
		return connectError(err)
	}
	return nil
}
