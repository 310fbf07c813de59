package rest

import (
	"context"

	"github.com/jetadmin/jetadmin/datasource"
)

// Probe resolves the host, then sends one request to the base URL.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	base, err := baseURL(s)
	if err != nil {
		step(datasource.StepOf("resolve", err))
		return
	}
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	if _, err := s.Egress.Lookup(ctx, base.Hostname(), port); err != nil {
		step(datasource.StepOf("resolve", connectError(err)))
		return
	}
	step(datasource.StepOf("resolve", nil))
	conn, err := c.Open(ctx, s)
	if err != nil {
		step(datasource.StepOf("request", err))
		return
	}
	step(datasource.StepOf("request", conn.Ping(ctx)))
	_ = conn.Close()
}
