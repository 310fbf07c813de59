package s3

import (
	"context"

	"github.com/jetadmin/jetadmin/datasource"
)

// Probe resolves the host, then lists a key.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	host, port := hostAndPort(s)
	if _, err := s.Egress.Lookup(ctx, host, port); err != nil {
		step(datasource.StepOf("resolve", connectError(err)))
		return
	}
	step(datasource.StepOf("resolve", nil))
	conn, err := c.Open(ctx, s)
	if err != nil {
		step(datasource.StepOf("list", err))
		return
	}
	step(datasource.StepOf("list", conn.Ping(ctx)))
	_ = conn.Close()
}
