package jetadmin

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
	"github.com/jetadmin/jetadmin/tenancy"
	"github.com/jetadmin/jetadmin/workflow"
)

// ExportLine is a piece of an export: one object of a tenant, as the lists of its
// kind show it, and the tenant itself with its settings.
type ExportLine struct {
	// Type is "tenant", "role", "roleGrant", "member", "memberGrant", "invitation", "apiKey", "datasource", "query", "queryVersion",
	// "workflow", "workflowVersion", "schedule", "webhook", "file" or "auditEvent", or
	// "end" for the last line.
	Type string `json:"type"`
	Data any    `json:"data,omitempty"`

	// Counts are in the last line alone: the lines before it by type. An export
	// without that line is not whole.
	Counts map[string]int64 `json:"counts,omitempty"`
}

// The bounds of exports: how many a tenant makes, at once and then one in a pause;
// how many objects are in memory, of small ones and of those with a graph.
const (
	exportBurst = 10
	exportPause = time.Minute
	exportSmall = 50
	exportLarge = 5
)

// exportRecheck is how long an export goes on before its caller's right is asked for
// again.
const exportRecheck = time.Second

// exported are the rights to what an export has.
func exported() []auth.Permission {
	return []auth.Permission{
		auth.TenantRead, auth.RoleList, auth.RoleRead, auth.MemberList, auth.MemberRead, auth.MemberInvite, auth.APIKeyList, auth.DatasourceList, auth.DatasourceRead, auth.QueryList, auth.QueryRead, auth.WorkflowList, auth.WorkflowRead,
		auth.ScheduleList, auth.WebhookList, auth.FileList, auth.AuditList,
	}
}

// ExportTenant hands everything in the caller's tenant to a function, one object at a
// time, with the versions of queries and workflows and the audit record; not runs and
// executions, not the content of files, and no secret: neither those of datasources,
// webhooks and API keys nor the paths of webhooks and the tokens of invitations. It needs tenant.export, and the right to
// each of the lists.
//
// It takes as much memory for a large tenant as for a small one and holds no
// transaction, so what is changed meanwhile may be there in the one or the other
// state. That there was an export is in the audit record, and in the export itself. An
// error of the function ends it and is returned.
//
// Errors: Unauthenticated, Forbidden, also when the right ends meanwhile, within a
// second; RateLimited beyond 10 at once and then one a minute, and while the caller
// goes through the audit record twice already.
func (a *App) ExportTenant(ctx context.Context, each func(ExportLine) error) error {
	who, err := a.roles.Authorize(ctx, auth.TenantExport, "")
	if err != nil {
		return err
	}
	for _, permission := range exported() {
		if _, err := a.roles.Authorize(ctx, permission, ""); err != nil {
			return err
		}
	}
	if err := a.exports.Take(ctx, who.TenantID, time.Now()); err != nil {
		return err
	}
	err = a.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		return a.audit.Record(ctx, tx, audit.Entry{TenantID: who.TenantID, Action: string(auth.TenantExport), ObjectType: "tenant", ObjectID: who.TenantID})
	})
	if err != nil {
		return err
	}
	e := &tenantExport{app: a, ctx: ctx, asked: time.Now(), each: each, counts: map[string]int64{}}
	for _, part := range []func() error{e.tenant, e.roles, e.members, e.invitations, e.keys, e.datasources, e.queries, e.workflows, e.triggers, e.files, e.events} {
		if err := part(); err != nil {
			return err
		}
	}
	return each(ExportLine{Type: "end", Counts: e.counts})
}

// tenantExport is an export under way.
type tenantExport struct {
	app    *App
	ctx    context.Context
	asked  time.Time // when the caller was last asked for his right
	each   func(ExportLine) error
	counts map[string]int64
}

func (e *tenantExport) line(kind string, data any) error {
	if time.Since(e.asked) >= exportRecheck {
		ctx, err := e.app.mayStill(e.ctx, auth.TenantExport)
		if err != nil {
			return err
		}
		e.ctx, e.asked = ctx, time.Now()
	}
	e.counts[kind]++
	return e.each(ExportLine{Type: kind, Data: data})
}

// all walks a list to its end, by the key of what was last.
func all[T any](limit int, list func(page.Request) (page.Page[T], error), each func(T) error) error {
	for r := (page.Request{Limit: limit}); ; {
		p, err := list(r)
		if err != nil {
			return err
		}
		for _, item := range p.Items {
			if err := each(item); err != nil {
				return err
			}
		}
		if r.Cursor = p.NextCursor; r.Cursor == "" {
			return nil
		}
	}
}

// lines writes a whole list.
func lines[T any](e *tenantExport, kind string, list func(context.Context, page.Request) (page.Page[T], error)) error {
	return all(exportSmall, func(r page.Request) (page.Page[T], error) { return list(e.ctx, r) }, func(item T) error { return e.line(kind, item) })
}

// ifShown leaves out what the caller may list and not read.
func ifShown(err error) error {
	if problem.Is(err, problem.Forbidden) {
		return nil
	}
	return ifThere(err)
}

// ifThere leaves out what was deleted since it was listed.
func ifThere(err error) error {
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	return err
}

func (e *tenantExport) tenant() error {
	t, err := e.app.tenants.Get(e.ctx)
	if err != nil {
		return err
	}
	limits, err := e.app.tenants.LimitsOf(e.ctx, t.ID)
	if err != nil {
		return err
	}
	settings, err := e.app.tenants.Settings(e.ctx)
	if err != nil {
		return err
	}
	runs, err := e.app.workflows.RunSettings(e.ctx)
	if err != nil {
		return err
	}
	return e.line("tenant", exportedTenant{t, limits, settings, runs})
}

// exportedTenant is a tenant with what holds in it.
type exportedTenant struct {
	tenancy.Tenant
	Limits      tenancy.Limits       `json:"limits"` // negative = none
	Settings    tenancy.Settings     `json:"settings"`
	RunSettings workflow.RunSettings `json:"runSettings"`
}

// exportedGrant is a grant with whom it is for: one of the two.
type exportedGrant struct {
	RoleID string `json:"roleId,omitempty"`
	UserID string `json:"userId,omitempty"`
	rbac.Grant
}

func (e *tenantExport) roles() error {
	roles := func(r page.Request) (page.Page[rbac.Role], error) { return e.app.roles.Roles(e.ctx, r) }
	return all(exportSmall, roles, func(role rbac.Role) error {
		if err := e.line("role", role); err != nil {
			return err
		}
		grants := func(r page.Request) (page.Page[rbac.Grant], error) {
			return e.app.roles.RoleGrants(auth.AsQuestion(e.ctx), role.ID, r)
		}
		return ifShown(all(exportSmall, grants, func(g rbac.Grant) error { return e.line("roleGrant", exportedGrant{RoleID: role.ID, Grant: g}) }))
	})
}

func (e *tenantExport) members() error {
	members := func(r page.Request) (page.Page[tenancy.Member], error) { return e.app.tenants.Members(e.ctx, r) }
	return all(exportSmall, members, func(m tenancy.Member) error {
		if err := e.line("member", m); err != nil {
			return err
		}
		grants := func(r page.Request) (page.Page[rbac.Grant], error) {
			return e.app.roles.MemberGrants(auth.AsQuestion(e.ctx), m.UserID, r)
		}
		return ifShown(all(exportSmall, grants, func(g rbac.Grant) error { return e.line("memberGrant", exportedGrant{UserID: m.UserID, Grant: g}) }))
	})
}

func (e *tenantExport) invitations() error {
	invitations := func(r page.Request) (page.Page[tenancy.Invitation], error) {
		return e.app.tenants.Invitations(e.ctx, r)
	}
	return all(exportSmall, invitations, func(i tenancy.Invitation) error {
		if !i.ExpiresAt.After(time.Now()) {
			return nil
		}
		return e.line("invitation", i)
	})
}

func (e *tenantExport) keys() error { return lines(e, "apiKey", e.app.auth.Keys) }

func (e *tenantExport) datasources() error {
	return lines(e, "datasource", e.app.datasources.List)
}

func (e *tenantExport) files() error { return lines(e, "file", e.app.files.Files) }

func (e *tenantExport) queries() error {
	list := func(r page.Request) (page.Page[datasource.Query], error) {
		return e.app.datasources.Queries(e.ctx, datasource.QueryFilter{}, r)
	}
	return all(exportSmall, list, func(q datasource.Query) error {
		if err := e.line("query", q); err != nil {
			return err
		}
		versions := func(r page.Request) (page.Page[datasource.QueryVersion], error) {
			return e.app.datasources.QueryVersions(e.ctx, q.ID, r)
		}
		return ifThere(all(exportSmall, versions, func(v datasource.QueryVersion) error {
			whole, err := e.app.datasources.QueryVersion(e.ctx, q.ID, v.Number)
			if err != nil {
				return ifThere(err)
			}
			return e.line("queryVersion", whole)
		}))
	})
}

func (e *tenantExport) workflows() error {
	return all(exportLarge, func(r page.Request) (page.Page[workflow.Workflow], error) { return e.app.workflows.List(e.ctx, r) }, func(w workflow.Workflow) error {
		if err := e.line("workflow", w); err != nil {
			return err
		}
		versions := func(r page.Request) (page.Page[workflow.Version], error) {
			return e.app.workflows.Versions(e.ctx, w.ID, r)
		}
		return ifThere(all(exportLarge, versions, func(v workflow.Version) error { return e.line("workflowVersion", v) }))
	})
}

func (e *tenantExport) triggers() error {
	schedules := func(r page.Request) (page.Page[workflow.Schedule], error) {
		return e.app.workflows.Schedules(e.ctx, "", r)
	}
	if err := all(exportSmall, schedules, func(s workflow.Schedule) error { return e.line("schedule", s) }); err != nil {
		return err
	}
	hooks := func(r page.Request) (page.Page[workflow.Webhook], error) {
		return e.app.workflows.Webhooks(e.ctx, "", r)
	}
	return all(exportSmall, hooks, func(h workflow.Webhook) error {
		h.Path = "" // who knows it may call a public one
		return e.line("webhook", h)
	})
}

// events are last: that the export was made is one of them.
func (e *tenantExport) events() error {
	return e.app.audit.Export(e.ctx, audit.Filter{}, func(event audit.Event) error { return e.line("auditEvent", event) })
}
