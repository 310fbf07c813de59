package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// failing is an operation that fails as the test wants.
func failing(t *testing.T, fail func() error) *world {
	return setupBare(t, func(a *API) {
		register(a, Operation{
			ID: "fail", Method: http.MethodGet, Path: "/fail", Access: Public, Tag: "test", Summary: "Fails",
		}, func(context.Context, *struct{}) (*output[Me], error) { return nil, fail() })
	})
}

func TestProblemOfEveryKind(t *testing.T) {
	t.Parallel()
	statuses := map[problem.Kind]int{
		problem.Invalid: 422, problem.Unauthenticated: 401, problem.Forbidden: 403, problem.NotFound: 404,
		problem.Conflict: 409, problem.Stale: 412, problem.TooLarge: 413, problem.RateLimited: 429,
		problem.Upstream: 502, problem.Unavailable: 503, problem.Timeout: 504, problem.Internal: 500,
	}
	var failure error
	w := failing(t, func() error { return failure })
	for kind, status := range statuses {
		failure = &problem.Error{
			Kind: kind, Code: "some_code", Message: "what happened", Remedy: "what to do", RetryAfter: 1500 * time.Millisecond,
			Faults: []problem.Fault{{Path: "nodes.a", Message: "is wrong"}}, Cause: errSecretCause,
		}
		answer := w.anonymous().call("GET", "/fail", nil).want(status)
		p := answer.problem()
		want := Problem{
			Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "what happened", Code: "some_code",
			RequestID: answer.Header.Get("X-Request-Id"), Remedy: "what to do",
		}
		faults := p.Errors
		p.Errors = nil
		if fmt.Sprint(p) != fmt.Sprint(want) || len(faults) != 1 || faults[0].Path != "nodes.a" {
			t.Errorf("%s: %s", kind, answer.Body)
		}
		if got := answer.Header.Get("Retry-After"); got != "2" {
			t.Errorf("%s: Retry-After is %q", kind, got)
		}
		if strings.Contains(string(answer.Body), "hunter2") {
			t.Errorf("%s: the cause is shown: %s", kind, answer.Body)
		}
		if logged := strings.Contains(w.log.String(), p.RequestID); logged != (status >= 500) {
			t.Errorf("%s: logged is %v", kind, logged)
		}
	}
}

func TestFaultOfOursShowsNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"unknown error": func() error { return fmt.Errorf("connect: %w", errSecretCause) },
		"panic":         func() error { panic(errSecretCause) },
		"status error":  func() error { return foreignStatus{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := failing(t, fail)
			answer := w.anonymous().call("GET", "/fail", nil).want(500)
			if strings.Contains(string(answer.Body), "hunter2") || strings.Contains(string(answer.Body), "goroutine") {
				t.Fatalf("the cause is shown: %s", answer.Body)
			}
			log := w.log.String()
			if !strings.Contains(log, "hunter2") || !strings.Contains(log, answer.problem().RequestID) {
				t.Fatalf("the log does not lead to the cause: %s", log)
			}
		})
	}
}

// foreignStatus is an error that huma would take for its own.
type foreignStatus struct{}

func (foreignStatus) Error() string  { return "hunter2" }
func (foreignStatus) GetStatus() int { return http.StatusTeapot }

func TestAbortedReplyStaysAborted(t *testing.T) {
	t.Parallel()
	w := failing(t, func() error { panic(http.ErrAbortHandler) })
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Fatal("the abort was swallowed")
		}
	}()
	w.anonymous().call("GET", "/fail", nil)
}

// A value that does not marshal is found out while the reply is written.
func TestUnwritableReplyIsAProblem(t *testing.T) {
	t.Parallel()
	w := setupBare(t, func(a *API) {
		register(a, Operation{
			ID: "broken", Method: http.MethodGet, Path: "/broken", Access: Public, Tag: "test", Summary: "Replies with a channel",
		}, func(context.Context, *struct{}) (*output[map[string]any], error) {
			return reply200(map[string]any{"a": "begun", "b": make(chan int)}, nil)
		})
	})
	answer := w.anonymous().call("GET", "/broken", nil).want(500)
	if strings.Contains(string(answer.Body), "begun") {
		t.Fatalf("half of the reply is there: %s", answer.Body)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var many problem.Faults
	for i := range 1000 {
		many.Addf("", "fault %d", i)
	}
	w := failing(t, func() error { return many.Err("many", "many faults") })
	if got := len(w.anonymous().call("GET", "/fail", nil).want(422).problem().Errors); got != maxFaults {
		t.Fatalf("%d faults, want %d", got, maxFaults)
	}
}

func TestUnroutedRequestsAreProblems(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.anonymous().call("GET", "/nothing", nil).want(404)
	w.anonymous().request("GET", "/elsewhere/api/v1/tenants", nil).want(404)
	w.anonymous().request("GET", basePath, nil).want(404)
	answer := w.anonymous().call("PUT", "/tenants", nil).want(405)
	if allow := answer.Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Fatalf("Allow is %q", allow)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for given, kept := range map[string]bool{
		"0198c2f0-7a1b-7c3d-8e4f-5a6b7c8d9e0f": true,
		"req_12345678":                         true,
		"short":                                false,
		"12345678\r\nX-Evil: 1":                false,
		"12345678 injected":                    false,
		"<script>alert(1)</script>":            false,
		strings.Repeat("a", 65):                false,
	} {
		got := w.anonymous().with("X-Request-Id", given).request("GET", basePath+"/healthz", nil).want(200).Header.Get("X-Request-Id")
		if (got == given) != kept || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestReadinessHidesItsCause(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.anonymous().request("GET", basePath+"/readyz", nil).want(200)
	w.cfg.Ready = func(context.Context) error { return errSecretCause }
	var err error
	w.api, err = New(w.cfg)
	must(t, err)
	answer := w.anonymous().request("GET", basePath+"/readyz", nil).want(503)
	if strings.Contains(string(answer.Body), "hunter2") {
		t.Fatalf("the cause is shown: %s", answer.Body)
	}
	w.anonymous().request("GET", basePath+"/healthz", nil).want(200)
}
