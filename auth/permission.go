package auth

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// Permission is the right to do one thing with one kind of object, written
// "resource.action". In a role or scope it may be a wildcard: "query.*" or "*".
type Permission string

// The permissions that operations ask for. Their catalogue with titles, and the
// default roles, are in package rbac.
const (
	TenantRead   Permission = "tenant.read"
	TenantUpdate Permission = "tenant.update"
	TenantDelete Permission = "tenant.delete"
	TenantExport Permission = "tenant.export" // all of it in one piece

	MemberList        Permission = "member.list"
	MemberRead        Permission = "member.read"
	MemberCreate      Permission = "member.create"
	MemberUpdate      Permission = "member.update"
	MemberDelete      Permission = "member.delete"
	MemberInvite      Permission = "member.invite"      // people who may have no account yet
	MemberImpersonate Permission = "member.impersonate" // see what a member sees, see [Principal.ViewingAs]

	RoleList   Permission = "role.list"
	RoleRead   Permission = "role.read"
	RoleCreate Permission = "role.create"
	RoleUpdate Permission = "role.update"
	RoleDelete Permission = "role.delete"

	APIKeyList   Permission = "apikey.list"
	APIKeyCreate Permission = "apikey.create"
	APIKeyUpdate Permission = "apikey.update"
	APIKeyDelete Permission = "apikey.delete"

	AuditList Permission = "audit.list"

	DatasourceList   Permission = "datasource.list"
	DatasourceRead   Permission = "datasource.read"
	DatasourceCreate Permission = "datasource.create"
	DatasourceUpdate Permission = "datasource.update"
	DatasourceDelete Permission = "datasource.delete"
	DatasourceTest   Permission = "datasource.test"

	FileList   Permission = "file.list"
	FileRead   Permission = "file.read"
	FileCreate Permission = "file.create"
	FileDelete Permission = "file.delete"

	QueryList    Permission = "query.list"
	QueryRead    Permission = "query.read"
	QueryCreate  Permission = "query.create"
	QueryUpdate  Permission = "query.update"
	QueryDelete  Permission = "query.delete"
	QueryTest    Permission = "query.test" // run a text that is not saved
	QueryExecute Permission = "query.execute"
	QueryHistory Permission = "query.history" // who ran it, with which values
	QueryCancel  Permission = "query.cancel"  // stop what others run
	QueryRules   Permission = "query.rules"   // who sees which rows

	WorkflowList    Permission = "workflow.list"
	WorkflowRead    Permission = "workflow.read"
	WorkflowCreate  Permission = "workflow.create"
	WorkflowUpdate  Permission = "workflow.update"
	WorkflowDelete  Permission = "workflow.delete"
	WorkflowPublish Permission = "workflow.publish"
	WorkflowTest    Permission = "workflow.test" // run a graph that is not published
	WorkflowExecute Permission = "workflow.execute"

	RunList   Permission = "run.list"
	RunRead   Permission = "run.read"
	RunCancel Permission = "run.cancel"
	RunRetry  Permission = "run.retry"
	RunAnswer Permission = "run.answer" // what a run asks people for
	RunSignal Permission = "run.signal" // send events that runs wait for

	ScheduleList   Permission = "schedule.list"
	ScheduleRead   Permission = "schedule.read"
	ScheduleCreate Permission = "schedule.create"
	ScheduleUpdate Permission = "schedule.update"
	ScheduleDelete Permission = "schedule.delete"

	WebhookList   Permission = "webhook.list"
	WebhookRead   Permission = "webhook.read"
	WebhookCreate Permission = "webhook.create"
	WebhookUpdate Permission = "webhook.update"
	WebhookDelete Permission = "webhook.delete"

	MonitorRead Permission = "monitor.read"
)

// Permissions lists all of them, in the order above.
func Permissions() []Permission {
	return []Permission{
		TenantRead, TenantUpdate, TenantDelete, TenantExport,
		MemberList, MemberRead, MemberCreate, MemberUpdate, MemberDelete, MemberInvite, MemberImpersonate,
		RoleList, RoleRead, RoleCreate, RoleUpdate, RoleDelete,
		APIKeyList, APIKeyCreate, APIKeyUpdate, APIKeyDelete,
		AuditList,
		DatasourceList, DatasourceRead, DatasourceCreate, DatasourceUpdate, DatasourceDelete, DatasourceTest,
		FileList, FileRead, FileCreate, FileDelete,
		QueryList, QueryRead, QueryCreate, QueryUpdate, QueryDelete, QueryTest, QueryExecute, QueryHistory, QueryCancel, QueryRules,
		WorkflowList, WorkflowRead, WorkflowCreate, WorkflowUpdate, WorkflowDelete, WorkflowPublish, WorkflowTest, WorkflowExecute,
		RunList, RunRead, RunCancel, RunRetry, RunAnswer, RunSignal,
		ScheduleList, ScheduleRead, ScheduleCreate, ScheduleUpdate, ScheduleDelete,
		WebhookList, WebhookRead, WebhookCreate, WebhookUpdate, WebhookDelete,
		MonitorRead,
	}
}

// Expand lists the permissions that p covers: itself, or what a wildcard stands
// for. None means that p is not a permission.
func (p Permission) Expand() []Permission {
	return slices.DeleteFunc(Permissions(), func(q Permission) bool { return !p.Covers(q) })
}

// Resource is the part before the dot.
func (p Permission) Resource() string {
	resource, _, _ := strings.Cut(string(p), ".")
	return resource
}

// Covers reports whether holding p is holding q: equal, "*", or "query.*" for
// every action on queries.
func (p Permission) Covers(q Permission) bool {
	if p == q || p == "*" {
		return true
	}
	resource, action, ok := strings.Cut(string(p), ".")
	return ok && action == "*" && resource == q.Resource() && q != ""
}

// Authorize is the question that every service method asks first: may the
// principal of ctx do this, to this object? objectID "" means the kind as a
// whole (list, create).
//
// It returns the principal, whose TenantID is then set. Without a principal the
// error is Unauthenticated; without a tenant or the right it is Forbidden.
type Authorize func(ctx context.Context, permission Permission, objectID string) (*Principal, error)

// Visible is the question that a list asks first, instead of [Authorize]: which of
// the tenant's objects may the principal of ctx see? The function narrows the
// list's query to those. The columns are expressions of that query for the ids of
// an object: its own first, then that of what it is a part of.
//
// Its errors are those of Authorize: Forbidden is who would be shown nothing
// whatever there is.
type Visible func(ctx context.Context, list Permission, columns ...string) (*Principal, func(*bun.SelectQuery) *bun.SelectQuery, error)

// Sees makes a Visible of an Authorize: whoever may list sees all.
func (a Authorize) Sees(ctx context.Context, list Permission, _ ...string) (*Principal, func(*bun.SelectQuery) *bun.SelectQuery, error) {
	who, err := a(ctx, list, "")
	return who, func(q *bun.SelectQuery) *bun.SelectQuery { return q }, err
}
