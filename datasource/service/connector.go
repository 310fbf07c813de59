package service

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/httpapi"
	"github.com/jetadmin/jetadmin/problem"
)

// connector is a spec that is ready to be used.
type connector struct {
	spec       datasource.Spec
	base       template
	headers    map[string]template
	auth       authentication
	failure    failure
	operations map[string]*operation
	names      []string // of the operations, in the order of the spec
	ping       *operation
}

// New makes the connector of a service. The error tells all that is wrong with
// the spec.
func New(s Spec) (datasource.Connector, error) {
	c := &connector{operations: map[string]*operation{}, headers: map[string]template{}}
	var faults problem.Faults
	c.readSettings(s, &faults)
	for _, in := range s.Operations {
		op := newOperation(in, s.Fields, &faults)
		faults.Check(c.operations[in.Name] == nil, "operations."+in.Name, "is declared twice")
		c.operations[in.Name] = op
		c.names = append(c.names, in.Name)
	}
	c.ping = c.operations[s.Ping]
	faults.Check(c.ping != nil && !c.ping.writes && !c.ping.needsArgs(), "ping", "must name an operation that needs no parameters and does not write")
	c.spec = datasource.Spec{
		Type: s.Type, Title: s.Title, Description: s.Description, Fields: s.Fields,
		Operation: c.schema(), Abilities: datasource.Abilities{Exec: c.writes()},
	}
	if err := errors.Join(faults.Err("spec_invalid", "the spec is not valid"), c.spec.Validate()); err != nil {
		return nil, fmt.Errorf("service: %q: %w", s.Type, err)
	}
	return c, nil
}

func (c *connector) readSettings(s Spec, faults *problem.Faults) {
	c.base = newBase(s.BaseURL, s.Fields, faults)
	for name, value := range s.Headers {
		faults.Check(httpapi.HeaderAllowed(name), "headers", "holds a header that cannot be set there")
		c.headers[name] = newTemplate(value, "headers", s.Fields, faults)
	}
	c.auth = newAuthentication(s.Auth, s.Fields, faults)
	c.failure = newFailure(s.Failure, faults)
}

func (c *connector) writes() bool {
	for _, op := range c.operations {
		if op.writes {
			return true
		}
	}
	return false
}

func (c *connector) Spec() datasource.Spec { return c.spec }

// CheckSettings refuses fields that make no host of the base URL, no header, or
// no credentials.
func (c *connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	if _, err := c.baseURL(s); err != nil {
		for _, name := range c.base.Placeholders() {
			faults.Add("settings."+name, "must be a host name, such as example.com, as the service has it")
		}
	}
	for _, text := range c.headers {
		for _, name := range text.Placeholders() {
			faults.Check(printable(fieldText(s, name)), "settings."+name, "must be printable ASCII: it goes into a header")
		}
	}
	c.auth.check(s, &faults)
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c *connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	base, err := c.baseURL(s)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for name, text := range c.headers {
		if lone := text.Lone(); lone != "" && fieldText(s, lone) == "" {
			continue
		}
		headers[name] = text.fill(s)
	}
	api, err := c.auth.open(base, headers, s)
	if err != nil {
		return nil, err
	}
	conn := &conn{connector: c, api: api, settings: s}
	if c.spec.Abilities.Exec {
		return writer{conn}, nil
	}
	return conn, nil
}

// Probe resolves the host of the service, then shows it the credentials.
func (c *connector) Probe(ctx context.Context, s datasource.Settings, step func(datasource.Step)) {
	base, err := c.baseURL(s)
	httpapi.Probe(ctx, base, err, s.Egress, func() (datasource.Conn, error) { return c.Open(ctx, s) }, step)
}

func (c *connector) baseURL(s datasource.Settings) (*url.URL, error) {
	for _, name := range c.base.Placeholders() {
		if !hostLike.MatchString(fieldText(s, name)) {
			return nil, problem.New(problem.Invalid, "url_invalid", "the address of the service is not valid")
		}
	}
	return httpapi.ParseURL(c.base.fill(s))
}
