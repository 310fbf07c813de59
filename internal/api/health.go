package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/problem"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	} `nameHint:"Health"`
}

func (a *API) healthRoutes() {
	register(a, Operation{
		ID: "getLiveness", Method: http.MethodGet, Path: "/healthz", Root: true, Access: Public, Tag: "health",
		Summary:     "Is the process alive?",
		Description: "Looks at nothing else, so that a database that is down does not get the process killed.",
	}, func(context.Context, *struct{}) (*healthOutput, error) { return healthy(), nil })

	register(a, Operation{
		ID: "getReadiness", Method: http.MethodGet, Path: "/readyz", Root: true, Access: Public, Tag: "health",
		Summary: "Can it serve requests?",
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		if err := a.cfg.Ready(ctx); err != nil {
			return nil, problem.New(problem.Unavailable, "not_ready", "not ready to serve requests").Because(err)
		}
		return healthy(), nil
	})
}

func healthy() *healthOutput {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out
}
