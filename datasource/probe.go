package datasource

import (
	"context"
	"net"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

const probeTimeout = 15 * time.Second

// StepStatus is how a step of a connection test ended.
type StepStatus string

// The ends of a step.
const (
	StepOK      StepStatus = "ok"
	StepWarning StepStatus = "warning" // it works, but something should be changed
	StepFailed  StepStatus = "failed"
)

// Step is one step of a connection test.
type Step struct {
	Name    string     `json:"name"` // e.g. "resolve", "connect", "authenticate", "ping"
	Status  StepStatus `json:"status"`
	Message string     `json:"message,omitempty"` // one line of a fixed set: nothing that the other side sent
	Remedy  string     `json:"remedy,omitempty"`

	// Cause is private: it goes to the log.
	Cause error `json:"-"`
}

// Report is the result of a connection test.
type Report struct {
	OK    bool    `json:"ok"`
	Steps []Step  `json:"steps"`
	Took  float64 `json:"tookMs"`
}

// Test connects with settings that are not saved. Faults of the settings are
// Invalid; a connection that fails is a Report. It needs datasource.test and is
// limited to a few calls a minute per tenant (RateLimited).
func (s *Service) Test(ctx context.Context, in NewDatasource) (Report, error) {
	who, err := s.authorize(ctx, auth.DatasourceTest, "")
	if err != nil {
		return Report{}, err
	}
	connector, err := s.connector(in.Type)
	if err != nil {
		return Report{}, err
	}
	if err := s.mayRead(ctx, in.Type, in.Settings, nil); err != nil {
		return Report{}, err
	}
	var faults problem.Faults
	settings := Settings{TenantID: who.TenantID, Egress: s.cfg.Egress}
	settings.Values = connector.Spec().checkValues(in.Settings, &faults)
	settings.Secrets = connector.Spec().checkSecrets(in.Secrets, keptSecrets{}, &faults)
	checkSettings(connector, settings, &faults)
	if err := faults.Err("datasource_invalid", "the datasource is not valid"); err != nil {
		return Report{}, err
	}
	return s.probe(ctx, who, connector, settings)
}

// TestSaved is [Service.Test] with a saved datasource.
func (s *Service) TestSaved(ctx context.Context, id string) (Report, error) {
	who, err := s.authorize(ctx, auth.DatasourceTest, id)
	if err != nil {
		return Report{}, err
	}
	row, err := findDatasource(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Report{}, err
	}
	connector, settings, err := s.settings(row)
	if err != nil {
		return Report{}, err
	}
	report, err := s.probe(ctx, who, connector, settings)
	if report.OK {
		s.breakers.reached(row.ID)
	}
	return report, err
}

func (s *Service) probe(ctx context.Context, who *auth.Principal, connector Connector, settings Settings) (Report, error) {
	if err := s.probes.Take(ctx, who.TenantID, s.cfg.Clock.Now()); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	report := Report{OK: true, Steps: []Step{}}
	started := time.Now()
	note := func(step Step) {
		if step.Status == StepFailed {
			report.OK = false
		}
		if step.Cause != nil {
			s.cfg.Logger.InfoContext(ctx, "datasource test", "type", connector.Spec().Type, "step", step.Name, "cause", step.Cause.Error())
		}
		report.Steps = append(report.Steps, step)
	}
	err := guard(func() error {
		if prober, ok := connector.(Prober); ok {
			prober.Probe(ctx, settings, note)
			return nil
		}
		probe(ctx, connector, settings, note)
		return nil
	})
	if err != nil {
		note(Step{Name: "connect", Status: StepFailed, Message: "the connector failed", Cause: err})
	}
	report.Took = milliseconds(time.Since(started))
	return report, nil
}

// probe is the test of a connector that is no Prober.
func probe(ctx context.Context, connector Connector, settings Settings, step func(Step)) {
	conn, err := connector.Open(ctx, settings)
	step(StepOf("open", err))
	if err != nil {
		return
	}
	step(StepOf("ping", conn.Ping(ctx)))
	_ = conn.Close()
}

// Reach tests the first two steps of a connection over TCP, "resolve" and
// "connect", for Probers; public makes the error that is shown. It reports whether
// there is a way.
func (s Settings) Reach(ctx context.Context, host, port string, step func(Step), public func(error) error) bool {
	_, err := s.Egress.Lookup(ctx, host, port)
	if err != nil {
		err = public(err)
	}
	step(StepOf("resolve", err))
	if err != nil {
		return false
	}
	socket, err := s.Egress.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err == nil {
		err = socket.Close()
	}
	if err != nil {
		err = public(err)
	}
	step(StepOf("connect", err))
	return err == nil
}

// StepOf is the step that ended with err: ok for nil. Only the public part of a
// problem.Error is shown.
func StepOf(name string, err error) Step {
	if err == nil {
		return Step{Name: name, Status: StepOK}
	}
	e := problem.Of(err)
	step := Step{Name: name, Status: StepFailed, Message: e.Message, Remedy: e.Remedy, Cause: err}
	if e.Kind == problem.Internal {
		step.Message = "the step failed"
	}
	return step
}
