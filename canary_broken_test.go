package jetadmin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/workflow"
)

// gossip is a connector that tells the log with what it connects, and whose answer
// is its password.
type gossip struct {
	safe
	logger *slog.Logger
}

func (g gossip) Spec() datasource.Spec {
	spec := g.safe.Spec()
	spec.Type = "gossip"
	return spec
}

func (g gossip) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	g.logger.Debug("connect", "dsn", []byte("host password="+s.Secret("password").Reveal()))
	return g.safe.Open(ctx, s)
}

// indiscreet is a node that tells the log of the run what it knows.
func indiscreet(known string) workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{Type: "indiscreet", Title: "Indiscreet"},
		func(ctx context.Context, call *workflow.Call, _ struct{}) (any, error) {
			call.Logger.InfoContext(ctx, "sent", "header", base64.StdEncoding.EncodeToString([]byte("user:"+known)))
			return nil, nil
		})
}

// The sweep finds what gets out of an App that is broken on purpose, at each of the
// places where it looks, and nothing before that.
func TestH2_TheSweepFindsWhatGetsOut(t *testing.T) {
	t.Parallel()
	var known string
	s := newSweep(t, testdb.SQLite(t), func(s *sweep) {
		known = s.secrets.text("what a node knows")
		s.cfg.Connectors = append(s.cfg.Connectors, gossip{logger: s.cfg.Logger})
		s.cfg.Nodes = []workflow.Node{indiscreet(known)}
	})
	s.dump()
	if found := s.record.findings(); len(found) > 0 {
		t.Fatalf("something gets out of what is whole: %v", found)
	}

	source := s.owner.call("POST", s.tenant+"/datasources", object{
		"name": "gossip", "type": "gossip", "settings": object{"host": "x"}, "secrets": object{"password": s.secrets.text("the password of a gossip")},
	}).want(http.StatusCreated).text("id")
	query := s.owner.call("POST", s.tenant+"/queries", object{"name": "gossip", "datasourceId": source, "operation": object{}}).want(http.StatusCreated).text("id")
	for _, accept := range []string{"application/json", "text/csv", "application/x-ndjson"} {
		s.owner.with("Accept", accept).call("POST", s.tenant+"/queries/"+query+"/run", nil).want(http.StatusOK)
	}
	s.failingRunOf("indiscreet")
	s.echo()
	ctx := t.Context()
	_, _ = s.cfg.TracerProvider.Tracer("x").Start(ctx, "x", trace.WithAttributes(attribute.String("url", "?key="+s.secrets.text("a secret of a span"))))
	counter, err := s.cfg.MeterProvider.Meter("x").Int64Counter("x")
	must(t, err)
	counter.Add(ctx, 1, metric.WithAttributes(attribute.String("key", s.secrets.text("a label"))))
	_, err = s.db.ExecContext(ctx, "/* across tenants: the test puts a secret where none belongs */ UPDATE ?schema.jet_query SET description = ?",
		fmt.Sprintf("%x", s.secrets.text("a secret of a row")))
	must(t, err)
	s.end()

	found := s.record.findings()
	for secret, wheres := range map[string][]string{
		"the password of a gossip": {"the log", "the reply to POST /api/v1" + s.tenant + "/queries/" + query + "/run"},
		"what a node knows":        {"the log", "an event event run.log", "the table jet_run_log", "the reply to GET"},
		"a credential":             {"the reply to GET"},
		"a secret of a span":       {"a span"},
		"a label":                  {"a metric"},
		"a secret of a row":        {"the table jet_query"},
	} {
		for _, where := range wheres {
			if !slices.ContainsFunc(found, func(f finding) bool { return strings.HasPrefix(f.secret, secret) && strings.HasPrefix(f.where, where) }) {
				t.Errorf("%s got into %s, and was not found there", secret, where)
			}
		}
	}
}

// failingRunOf runs a node of a type to its end, watched, and reads its log.
func (s *sweep) failingRunOf(kind string) {
	s.t.Helper()
	id := s.app.Publish(s.app.Owner.Context(s.t.Context()), workflow.NewWorkflow{Name: kind, Draft: workflow.Graph{
		Nodes: []workflow.GraphNode{{Key: "start", Type: "start"}, {Key: "node", Type: kind}}, Edges: []workflow.Edge{{From: "start", To: "node"}},
	}})
	run := s.owner.call("POST", s.tenant+"/workflows/"+id+"/runs", object{"wait": true}).want(http.StatusAccepted).text("id")
	_, err := s.app.Workflows().Wait(s.app.Owner.Context(s.t.Context()), run)
	must(s.t, err)
	watcher := s.owner.wire().signIn(s.owner)
	watcher.send(object{"id": "run", "op": "subscribe", "topic": "run:" + run, "since": 0})
	for {
		f := watcher.next()
		text, err := json.Marshal(f)
		must(s.t, err)
		s.record.add("an event "+f.Op+" "+f.Type, text, "")
		if f.Type == workflow.EventLog {
			break
		}
	}
	s.owner.call("GET", s.tenant+"/runs/"+run+"/logs", nil).want(http.StatusOK)
}

// echo asks a server that sends the credentials of its callers back.
func (s *sweep) echo() {
	s.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Debug", fmt.Sprint(r.Header))
		s.app.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	echoing := *s.owner
	echoing.url = server.URL
	echoing.call("GET", "/auth/me", nil).want(http.StatusOK)
}
