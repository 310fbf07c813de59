package jetadmin_test

import (
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/mysql"
	"github.com/jetadmin/jetadmin/datasource/s3"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/oidctest"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
	"github.com/jetadmin/jetadmin/rbac"
)

// H2: a secret that cannot be mistaken for anything else is put wherever one can
// be. Then everything is asked for, by who may and who may not, with what works and
// what fails, and every secret is looked for in all that came out and was kept.
//
// Operations come from the App, types of datasources and their secret fields from
// its list of types: new ones come in by themselves, or fail here for want of an
// example.
func TestH2_NoSecretGetsOut(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		s := newSweep(t, db, nil)
		s.accounts()
		s.waysIn()
		s.everyType()
		if db.Dialect == store.PostgreSQL {
			s.postgres()
		}
		s.failingRuns()
		s.triggers()
		s.dump()
		s.everyOperation()
		s.brokenDatabase()
		s.deletion()
		s.end()
		s.covered()
		for _, leak := range s.record.findings() {
			t.Error(leak)
		}
	})
}

// sweep is a world whose secrets are known, and all of whose output is kept.
type sweep struct {
	*world
	cfg      jetadmin.Config
	secrets  *secrets
	record   *record
	sockets  *sockets
	upstream *upstream
	owner    *caller
	viewer   *caller
	tenant   string // path
}

// newSweep fills a world; change may break something before it starts.
func newSweep(t *testing.T, db *store.DB, change func(*sweep)) *sweep {
	t.Helper()
	s := &sweep{secrets: newSecrets()}
	s.record = newRecord(s.secrets)
	s.sockets = &sockets{record: s.record}
	s.upstream = newUpstream(t, s.secrets)
	s.cfg = quiet(t)
	s.cfg.Logger = s.record.logger()
	s.cfg.TracerProvider, s.cfg.MeterProvider = tracing{record: s.record}, metering{record: s.record}
	s.cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s.cfg.Keys = [][]byte{secret.NewKey(), secret.NewKey()}
	for _, key := range s.cfg.Keys {
		s.secrets.known("a key of the App", string(key), 0)
	}
	s.cfg.Connectors = []datasource.Connector{mysql.Connector(), s3.Connector(), s.upstream.service(t), hostFunction()}
	if change != nil {
		change(s)
	}
	s.world = emptyWorld(t, db, s.cfg)
	s.anybody.http.Transport = tap{s.anybody.http.Transport, s.record}
	s.secrets.known("the password of the owner", s.app.Owner.Password, 0)
	s.secrets.known("the client secret of an issuer", oidctest.ClientSecret, 0)
	s.fill(s.cfg)
	s.owner, s.viewer = s.signedIn(s.app.Owner), s.signedIn(s.member(rbac.Viewer))
	s.tenant = "/tenants/" + s.app.Tenant.ID
	s.sockets.add(s.owner, "tenant:"+s.app.Tenant.ID, "monitor:"+s.app.Tenant.ID, "run:"+s.places["runs/id"].existing, "tenant:"+s.places["tenants/tenantId"].missing)
	return s
}

func (s *sweep) member(role string) jetadmintest.Member {
	m := s.app.Member(role)
	s.secrets.known("the password of a member", m.Password, 0)
	return m
}

// end closes what is open, so that what waits is written, and looks a last time.
func (s *sweep) end() {
	s.t.Helper()
	s.sockets.close()
	stop(s.t, s.app.App)
	s.dump()
}

// dump takes down every column of every row.
func (s *sweep) dump() {
	s.t.Helper()
	for table, rows := range s.tables() {
		for _, row := range rows {
			s.record.note("the table "+table, "%s", row)
		}
	}
}

// covered makes sure that the sweep has been where it wants to have been.
func (s *sweep) covered() {
	s.t.Helper()
	for _, status := range []int{200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 415, 422, 500, 502} {
		if s.record.seen[status] == 0 {
			s.t.Errorf("no reply has the status %d: %v", status, s.record.seen)
		}
	}
	for _, op := range s.app.Operations() {
		path := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(op.URLPath()), "[^/]+")
		understood := regexp.MustCompile("^(?:[23]..|409|412) " + op.Method + " " + path + "$")
		if !slices.ContainsFunc(s.record.calls, understood.MatchString) && !slices.Contains([]string{"openSocket", "openSocketIO", "setup"}, op.ID) {
			s.t.Errorf("%s was never understood", op.ID)
		}
	}
	for _, place := range []string{"the log", "an event event run.updated", "a span", "a metric", "the table jet_execution", "the table jet_audit"} {
		if !slices.ContainsFunc(s.record.all, func(o output) bool { return strings.HasPrefix(o.where, place) }) {
			s.t.Errorf("nothing was kept of %s", place)
		}
	}
}

// everyOperation calls every operation as several people, and with values that are
// refused: a value that was refused is a secret, for nobody knows what it was.
func (s *sweep) everyOperation() {
	t := s.t
	t.Helper()
	operations := s.app.Operations()
	slices.SortStableFunc(operations, func(a, b api.Operation) int { return rank(a) - rank(b) })
	nobody := []*caller{
		s.anybody, s.anybody.bearer(s.secrets.plain("a made-up token")),
		s.anybody.with("Authorization", "Basic "+s.secrets.plain("an unknown scheme")),
		s.anybody.with("Cookie", "jetadmin_session="+s.secrets.plain("a made-up cookie")),
		s.signedIn(s.member("nothing")),
	}
	operations = slices.DeleteFunc(operations, func(op api.Operation) bool { return op.ID == "deleteTenant" })
	for _, op := range operations {
		s.renewLink(s.owner, op)
		path, _ := s.path(op, s.app.Tenant.ID, "")
		nobody[0].request(op.Method, path, s.body(op))
		for _, c := range nobody[1:] {
			c.request(op.Method, path, nil)
		}
		owner := s.owner
		if op.Access == api.SignedIn && op.Method != http.MethodGet {
			owner = s.signedIn(s.app.Owner) // it may end the session
		}
		s.refusedValues(owner, op, path)
		if names := parameter.FindAllString(op.URLPath(), -1); len(names) > 0 {
			missing, _ := s.path(op, s.app.Tenant.ID, lastName(names))
			owner.request(op.Method, missing, s.body(op))
		}
		s.viewer.request(op.Method, path, s.body(op))
		owner.request(op.Method, path, s.body(op))
	}
}

// deletion takes the tenant away at last, under a name that is not its own first.
func (s *sweep) deletion() {
	s.t.Helper()
	for _, c := range []*caller{s.anybody, s.viewer, s.owner} {
		c.call("DELETE", s.tenant, object{"name": s.secrets.plain("a name that is not the tenant's")})
	}
	tenant, err := s.app.Tenants().Get(s.app.Owner.Context(s.t.Context()))
	must(s.t, err)
	s.owner.call("DELETE", s.tenant, object{"name": tenant.Name}).want(http.StatusNoContent)
	s.owner.call("GET", s.tenant, nil).want(http.StatusNotFound)
}

// lastName is the name that places has for the last parameter of a path.
func lastName(parameters []string) string {
	parts := parameter.FindStringSubmatch(parameters[len(parameters)-1])
	return parts[1] + "/" + parts[2]
}

// refusedValues sends a value where it cannot be taken: in the place of each member
// of the body, below a name that nobody knows, in text that is no JSON, in the query.
func (s *sweep) refusedValues(c *caller, op api.Operation, path string) {
	s.t.Helper()
	refused := func(where string, send func(value string) *reply) {
		value := s.secrets.plain("a value that " + op.ID + " refused, " + where)
		reply := send(value)
		if reply.Status < 400 {
			s.secrets.release(value) // it is what was asked for, and may be shown
		}
	}
	for _, name := range []string{"limit", "cursor", "access_token"} {
		refused("parameter "+name, func(value string) *reply { return c.request(op.Method, path+"?"+name+"="+value, s.body(op)) })
	}
	if op.Method == http.MethodGet || op.Method == http.MethodDelete {
		return
	}
	for name, old := range s.example(op) {
		refused("member "+name, func(value string) *reply {
			changed := s.example(op)
			changed[name] = object{"x": value}
			if _, isObject := old.(map[string]any); isObject {
				changed[name] = []string{value}
			}
			return c.request(op.Method, path, changed)
		})
	}
	refused("an unknown member", func(value string) *reply {
		changed := s.example(op)
		changed["nobodyKnowsThis"] = value
		return c.request(op.Method, path, changed)
	})
	for media, text := range map[string]string{"application/json": `{"name": "%s`, "text/plain": "%s"} {
		refused("as "+media, func(value string) *reply { return c.raw(op.Method, path, media, strings.ReplaceAll(text, "%s", value)) })
	}
}

// example is the body of an operation, which may be changed.
func (s *sweep) example(op api.Operation) object {
	s.t.Helper()
	if body, ok := s.body(op).(object); ok {
		return body
	}
	return object{}
}

// raw sends a body as it is.
func (c *caller) raw(method, path, media, body string) *reply {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	must(c.t, err)
	r.Header = c.header.Clone()
	r.Header.Set("Content-Type", media)
	response, err := c.http.Do(r)
	must(c.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(c.t, err)
	return &reply{t: c.t, what: method + " " + path, Status: response.StatusCode, Header: response.Header, Body: text}
}
