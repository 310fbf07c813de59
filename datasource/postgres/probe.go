package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// The steps of a test, in their order.
const (
	stepResolve      = "resolve"
	stepConnect      = "connect"
	stepTLS          = "tls"
	stepAuthenticate = "authenticate"
	stepPing         = "ping"
	stepRights       = "rights"
)

// Probe tests a connection step by step.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	if s.Reach(ctx, s.String("host"), strconv.FormatInt(s.Int("port"), 10), step, connectError) {
		c.login(ctx, s, step)
	}
}

func (c connector) login(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	cfg, err := poolConfig(s)
	if err != nil {
		step(datasource.StepOf(stepAuthenticate, err))
		return
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		step(failed(stepAuthenticate, err))
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	step(datasource.StepOf(stepAuthenticate, nil))
	var super bool
	err = conn.QueryRow(ctx, "SELECT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)").Scan(&super)
	if err != nil {
		step(failed(stepPing, err))
		return
	}
	step(datasource.StepOf(stepPing, nil))
	if err := c.fence(ctx, conn); err != nil {
		step(datasource.StepOf(stepRights, connectError(err)))
		return
	}
	rights := datasource.Step{Name: stepRights, Status: datasource.StepOK}
	if super {
		rights.Status, rights.Message = datasource.StepWarning, "the user is a superuser of the database"
		rights.Remedy = "use an account that has no more rights than the queries need"
	}
	step(rights)
}

// failed gives a failure the name of the step that it is about.
func failed(name string, err error) datasource.Step {
	if c, ok := cause(err); ok && !errors.As(err, new(*problem.Error)) {
		name = c.step
	}
	return datasource.StepOf(name, connectError(err))
}
