package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// identified puts the caller of an operation into the context of next: who it
// is, and below a tenant's route also that it belongs there, and whom it views.
func (a *API) identified(op Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), operationKey{}, op.ID)
		r = r.WithContext(ctx)
		if err := op.mayView(r.Header); err != nil {
			a.fail(w, r, err)
			return
		}
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

// rightsHold is how long what was found out about a caller is good: a body that takes
// its sender longer is that of somebody who has to be identified again (T30).
const rightsHold = time.Second

// stillIdentified is identified for a request whose body began to be read at a time.
func (a *API) stillIdentified(op Operation, r *http.Request, began time.Time) (*http.Request, error) {
	if op.Access == Public || time.Since(began) < rightsHold {
		return r, nil
	}
	who, err := a.identify(op, r)
	if err != nil {
		return r, err
	}
	return r.WithContext(auth.NewContext(r.Context(), who)), nil
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
	if who, err = a.cfg.Auth.Enter(r.Context(), who, tenantID); err != nil {
		return nil, err
	}
	return a.viewing(r.Context(), r.Header, who)
}
