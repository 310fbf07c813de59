package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/traceparent"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// notification is a call of notify that tells one channel.
func notification(channel map[string]any) *workflow.Call {
	return &workflow.Call{
		RunID: "run", Key: "tell", IdempotencyKey: "run/tell/0", Now: time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC), Logger: slog.New(slog.DiscardHandler),
		Config: map[string]any{"message": "sold out", "data": map[string]any{"sku": json.Number("12345678901234567890")}, "channels": []any{channel}},
	}
}

func TestNotifyPostsToAWebhook(t *testing.T) {
	t.Parallel()
	type post struct {
		body   string
		header http.Header
	}
	posts := make(chan post, 2)
	status := http.StatusServiceUnavailable // at first
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts <- post{r.Method + " " + r.URL.String() + " " + string(body), r.Header}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	span := traceparent.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	call := notification(map[string]any{"type": "webhook", "url": server.URL + "/in?team=a", "headers": map[string]any{"X-Team": "a"}})
	notify := builtin(t, "notify")

	_, err := notify.Run(ctx, call)
	if p := problem.Of(err); p == nil || p.Kind != problem.Upstream || p.RetryAfter != 7*time.Second {
		t.Errorf("503 with Retry-After gives %v", err)
	}
	status = http.StatusNoContent
	if _, err := notify.Run(ctx, call); err != nil {
		t.Errorf("the repetition gives %v", err)
	}
	for range 2 {
		got := <-posts
		if want := `POST /in?team=a {"data":{"sku":12345678901234567890},"message":"sold out","node":"tell","runId":"run","time":"2030-01-31T12:00:00Z"}`; got.body != want {
			t.Errorf("it got\n%s, want\n%s", got.body, want)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "X-Team": "a", "Idempotency-Key": "run/tell/0/0", "Traceparent": traceparent.Format(span),
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
			}
		}
	}
}

// Where notifications go is the decision of the outbound policy, which lets
// nobody reach the server's own network unless it is told to.
func TestNotifyKeepsToTheOutboundPolicy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	t.Cleanup(server.Close)
	notify := named(t, builtinsBy(t, egress.Policy{}.Client()), "notify")
	_, err := notify.Run(t.Context(), notification(map[string]any{"type": "webhook", "url": server.URL}))
	if problem.KindOf(err) != problem.Forbidden {
		t.Errorf("got %v", err)
	}
}

func TestNotifyLogs(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"": "INFO", "warn": "WARN", "error": "ERROR"} {
		var log bytes.Buffer
		call := notification(map[string]any{"type": "log", "level": level})
		call.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		if _, err := builtin(t, "notify").Run(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		var line struct {
			Level, Msg string
			Data       struct{ SKU json.Number }
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Level != want || line.Msg != "sold out" || line.Data.SKU != "12345678901234567890" {
			t.Errorf("level %q logs %s", level, log.String())
		}
	}
}
