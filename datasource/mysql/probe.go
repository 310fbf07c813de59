package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"time"

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
	stepWrite        = "write"
)

// soon is when the end of a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// Probe tests a connection step by step.
func (c connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	if !s.Reach(ctx, s.String("host"), strconv.FormatInt(s.Int("port"), 10), step, connectError) {
		return
	}
	server, err := newServer(s)
	if err != nil {
		step(datasource.StepOf(stepAuthenticate, err))
		return
	}
	var encrypted *tls.ConnectionState
	if server.encrypt != nil {
		server.encrypt.VerifyConnection = func(state tls.ConnectionState) error {
			encrypted = &state
			return nil
		}
	}
	l, err := server.open(ctx, "")
	if encrypted != nil {
		step(certificate(encrypted))
	}
	if err != nil {
		step(failed(stepAuthenticate, err))
		return
	}
	defer l.Close()
	step(datasource.StepOf(stepAuthenticate, nil))
	if err := l.Ping(ctx); err != nil {
		step(failed(stepPing, err))
		return
	}
	step(datasource.StepOf(stepPing, nil))
	tellRights(ctx, l, step)
}

func certificate(state *tls.ConnectionState) datasource.Step {
	step := datasource.StepOf(stepTLS, nil)
	if len(state.PeerCertificates) > 0 && time.Until(state.PeerCertificates[0].NotAfter) < soon {
		step.Status, step.Message, step.Remedy = datasource.StepWarning, "the certificate of the server ends soon or has ended", "renew the certificate of the database server"
	}
	return step
}

func tellRights(ctx context.Context, l *link, step func(datasource.Step)) {
	r, err := l.rights(ctx)
	if err != nil {
		step(failed(stepRights, err))
		return
	}
	rights := datasource.StepOf(stepRights, nil)
	switch {
	case r.file:
		rights.Status, rights.Message = datasource.StepWarning, "the user may read and write files of the database server"
		rights.Remedy = "revoke FILE from the user"
	case r.admin:
		rights.Status, rights.Message = datasource.StepWarning, "the user administers the database server"
		rights.Remedy = "use an account that has no more rights than the queries need"
	}
	step(rights)
	write := datasource.StepOf(stepWrite, nil)
	write.Message = "the user can only read"
	if r.write {
		write.Message = "the user can write"
	}
	step(write)
}

// failed gives a failure the name of the step that it is about.
func failed(name string, err error) datasource.Step {
	if c, ok := cause(err); ok && !errors.As(err, new(*problem.Error)) {
		name = c.step
	}
	return datasource.StepOf(name, connectError(err))
}
