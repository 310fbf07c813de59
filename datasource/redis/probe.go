package redis

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
)

// The steps of a test, in their order.
const (
	stepResolve      = "resolve"
	stepConnect      = "connect"
	stepTLS          = "tls"
	stepAuthenticate = "authenticate"
	stepPing         = "ping"
	stepRights       = "rights"
	stepWrite        = "write"
)

// soon is when the end of a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// Probe tests a connection step by step.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	if !s.Reach(ctx, s.String("host"), strconv.FormatInt(s.Int("port"), 10), step, connectError) {
		return
	}
	l, err := dial(ctx, s, func(state tls.ConnectionState) { step(certificate(state)) })
	if err != nil {
		step(failed(stepAuthenticate, err))
		return
	}
	defer l.close()
	step(datasource.StepOf(stepAuthenticate, nil))
	if _, err := l.do(ctx, loginBytes, "PING"); err != nil {
		step(failed(stepPing, err))
		return
	}
	step(datasource.StepOf(stepPing, nil))
	if err := c.fence(ctx, l); err != nil {
		step(datasource.StepOf(stepRights, connectError(err)))
		return
	}
	l.tellRights(ctx, step)
}

func certificate(state tls.ConnectionState) datasource.Step {
	step := datasource.StepOf(stepTLS, nil)
	if len(state.PeerCertificates) > 0 && time.Until(state.PeerCertificates[0].NotAfter) < soon {
		step.Status, step.Message, step.Remedy = datasource.StepWarning, "the certificate of the server ends soon or has ended", "renew the certificate of the server"
	}
	return step
}

// tellRights asks for two things that change nothing: a setting, which only who
// administers the server may see, and the end of a key that is not there.
func (l *link) tellRights(ctx context.Context, step func(datasource.Step)) {
	admin, err := l.may(ctx, "CONFIG", "GET", "maxmemory")
	if err != nil {
		step(failed(stepRights, err))
		return
	}
	rights := datasource.StepOf(stepRights, nil)
	if admin {
		rights.Status, rights.Message = datasource.StepWarning, "the user administers the server"
		rights.Remedy = "use an account of the access control list that has no more rights than the queries need"
	}
	step(rights)
	writes, err := l.may(ctx, "DEL", "jetadmin:probe:"+rand.Text())
	if err != nil {
		step(failed(stepWrite, err))
		return
	}
	write := datasource.StepOf(stepWrite, nil)
	write.Message = "the user can only read"
	if writes {
		write.Message = "the user can write"
	}
	step(write)
}

// may reports whether the server runs a command for the user.
func (l *link) may(ctx context.Context, args ...any) (bool, error) {
	_, err := l.do(ctx, loginBytes, args...)
	if _, answered := errors.AsType[redis.Error](err); answered {
		return false, nil
	}
	return err == nil, err
}

// failed gives a failure the name of the step that it is about.
func failed(name string, err error) datasource.Step {
	if c, ok := cause(err); ok {
		name = c.step
	}
	return datasource.StepOf(name, connectError(err))
}
