package sqlite

import (
	"context"

	"github.com/jetadmin/jetadmin/datasource"
)

// Probe finds the file, then reads from it.
func (c *connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	conn, err := c.Open(ctx, s)
	step(datasource.StepOf("find", err))
	if err != nil {
		return
	}
	step(datasource.StepOf("read", conn.Ping(ctx)))
	_ = conn.Close()
}
