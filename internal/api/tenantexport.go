package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

func (a *API) tenantExportRoute() {
	a.registerRaw(Operation{
		ID: "exportTenant", Method: http.MethodGet, Path: "/tenants/{tenantId}/export", Access: InTenant, Permission: auth.TenantExport, Tag: "tenants",
		Summary: "Take everything in a tenant along",
		Description: "Object by object, as JSON lines with a type: the tenant, roles, members, datasources and webhooks without their secrets, queries and workflows with their versions, " +
			"schedules, what is known of files, and the audit record. The last line has the type end and the number of lines of each type; a reply that is not whole ends with a line that has an error. " +
			"It also needs the right to each of the lists.",
	}, http.HandlerFunc(a.exportTenant), map[string]*huma.Response{
		"200":     {Description: "the objects", Content: map[string]*huma.MediaType{ndjsonType: {}}},
		"401":     problemResponse(http.StatusText(http.StatusUnauthorized)),
		"403":     problemResponse(http.StatusText(http.StatusForbidden)),
		"404":     problemResponse(http.StatusText(http.StatusNotFound)),
		"422":     problemResponse(http.StatusText(http.StatusUnprocessableEntity)),
		"429":     problemResponse(http.StatusText(http.StatusTooManyRequests)),
		"default": problemResponse("any other problem"),
	})
}

// exportTenant writes objects as they are read. What goes wrong before the first of
// them is a problem like any other.
func (a *API) exportTenant(w http.ResponseWriter, r *http.Request) {
	var f problem.Faults
	for name := range r.URL.Query() {
		f.Add("query."+name, "is not a parameter of this operation")
	}
	if len(f.List()) > 0 {
		a.fail(w, r, invalid(f.List()))
		return
	}
	to := newOutlet(w, ndjsonType)
	defer to.free()
	defer func() {
		if cause := recover(); cause != nil && to.begun && cause != http.ErrAbortHandler {
			a.reply(r.Context(), fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			panic(http.ErrAbortHandler)
		} else if cause != nil {
			panic(cause)
		}
	}()
	count, err := a.writeExport(r.Context(), to)
	switch {
	case err != nil && !to.begun:
		a.fail(w, r, err)
	case err != nil:
		to.abandon(a.reply(r.Context(), err))
	default:
		to.finish(count, false)
	}
}

// writeExport returns the number of lines.
func (a *API) writeExport(ctx context.Context, to *outlet) (count int64, err error) {
	lines := datasource.NewNDJSON(to.buffer)
	err = a.cfg.ExportTenant(ctx, func(line any) error {
		if !to.begun {
			to.announce("")
		}
		count++
		if err := lines.Line(line); err != nil || time.Since(to.flushed) < streamPause {
			return err
		}
		return to.flush()
	})
	return count, err
}
