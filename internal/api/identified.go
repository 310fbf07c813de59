package api

import (
	"context"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// identified puts the caller of an operation into the context of next: who it
// is, and below a tenant's route also that it belongs there.
func (a *API) identified(op Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), operationKey{}, op.ID)
		r = r.WithContext(ctx)
		if op.Access == Public {
			next.ServeHTTP(w, r)
			return
		}
		who, err := a.identify(op, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.NewContext(ctx, who))) // nobody: as it is
	})
}

func (a *API) identify(op Operation, r *http.Request) (*auth.Principal, error) {
	who, err := a.cfg.Auth.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if who == nil && op.Access == Anyone {
		return nil, nil
	}
	if who == nil {
		return nil, problem.New(problem.Unauthenticated, "unauthenticated", "sign in first").
			Fix("send a session token or an API key as a bearer token")
	}
	if op.Access != InTenant {
		return who, nil
	}
	tenantID := r.PathValue(tenantParam)
	// The route alone names the tenant. A second name for it may differ, and
	// whoever looks at the other one would be deceived.
	if named := r.Header.Get("X-Tenant-Id"); named != "" && named != tenantID {
		return nil, problem.Missing("tenant")
	}
	return a.cfg.Auth.Enter(r.Context(), who, tenantID)
}
