package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

func (a *API) tenantExportRoute() {
	a.registerRaw(Operation{
		ID: "exportTenant", Method: http.MethodGet, Path: "/tenants/{tenantId}/export", Access: InTenant, Permission: auth.TenantExport, Tag: "tenants",
		Summary: "Take everything in a tenant along",
		Description: "Object by object, as JSON lines with a type: the tenant with its limits, roles and members with their grants, open invitations, API keys, datasources and webhooks without their secrets, queries and workflows with their versions, " +
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

// exportTenant writes objects as they are read.
func (a *API) exportTenant(w http.ResponseWriter, r *http.Request) {
	var f problem.Faults
	for name := range r.URL.Query() {
		f.Add("query."+name, "is not a parameter of this operation")
	}
	if len(f.List()) > 0 {
		a.fail(w, r, invalid(f.List()))
		return
	}
	a.stream(w, r, ndjsonType, func(to *outlet) error {
		count := int64(0)
		err := a.cfg.ExportTenant(r.Context(), func(line any) error {
			if !to.begun {
				to.announce("")
			}
			count++
			return to.line(line)
		})
		if err == nil {
			to.finish(count, false)
		}
		return err
	})
}
