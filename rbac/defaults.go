package rbac

import "github.com/jetadmin/jetadmin/auth"

// The keys of the default roles, see [Role.Builtin].
const (
	Owner    = "owner"    // everything, also what later versions add
	Admin    = "admin"    // everything but the tenant itself; cannot touch an Owner, whose rights exceed his
	Editor   = "editor"   // builds: datasources, queries, workflows, runs
	Operator = "operator" // runs what was built, and looks after the runs
	Viewer   = "viewer"   // looks at what was built and at the runs; starts only what he is granted
)

// defaultRole is a role that every tenant has. What it gives is said here and
// not in the tenant's row, so that a permission of a later version reaches the
// roles it is meant for in every tenant.
type defaultRole struct {
	key, name, description string
	permissions            []auth.Permission
}

// defaultRoles are in the order in which a tenant gets, and lists, them.
func defaultRoles() []defaultRole {
	return []defaultRole{
		{Owner, "Owner", "Everything, including the workspace itself and its owners.", []auth.Permission{"*"}},
		{Admin, "Admin", "Everything except the workspace itself and its owners.", []auth.Permission{
			auth.TenantRead, "member.*", "role.*", "apikey.*", "audit.*", "datasource.*", "file.*", "query.*", "workflow.*", "run.*",
			"schedule.*", "webhook.*", "monitor.*",
		}},
		{Editor, "Editor", "Builds and runs datasources, queries and workflows.", []auth.Permission{
			auth.TenantRead, auth.MemberList, auth.MemberRead, auth.RoleList, auth.RoleRead,
			"datasource.*", "file.*", "query.*", "workflow.*", "run.*", "schedule.*", "webhook.*", "monitor.*",
		}},
		{Operator, "Operator", "Runs saved queries and workflows, and looks after the runs.", []auth.Permission{
			auth.TenantRead,
			auth.QueryList, auth.QueryRead, auth.QueryExecute, auth.QueryHistory, auth.QueryCancel,
			auth.WorkflowList, auth.WorkflowRead, auth.WorkflowExecute, "run.*",
			auth.ScheduleList, auth.ScheduleRead, auth.WebhookList, auth.WebhookRead, auth.MonitorRead,
		}},
		{Viewer, "Viewer", "Looks at queries, workflows and runs.", []auth.Permission{
			auth.TenantRead, auth.QueryList, auth.QueryRead, auth.WorkflowList, auth.WorkflowRead, auth.RunList, auth.RunRead,
			auth.ScheduleList, auth.ScheduleRead,
		}},
	}
}

// builtinPermissions is what the default role of a key gives. A key that this
// version does not know gives nothing.
func builtinPermissions(key string) []auth.Permission {
	for _, d := range defaultRoles() {
		if d.key == key {
			return d.permissions
		}
	}
	return nil
}
