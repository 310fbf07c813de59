package rbac

import (
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/auth"
)

// PermissionInfo is a permission as people choose it for a role.
type PermissionInfo struct {
	Permission auth.Permission `json:"permission"`
	Title      string          `json:"title"`
	Resource   string          `json:"resource"` // the part before the dot, to group by
	Objects    bool            `json:"objects"`  // it can be granted and denied on single objects, see [Grant]
}

// Catalogue lists every permission there is, grouped by resource. The result is
// the caller's own.
func (s *Service) Catalogue() []PermissionInfo { return slices.Clone(s.catalogue.list) }

// catalogue is the list of permissions, ready for questions.
type catalogue struct {
	list      []PermissionInfo
	known     map[auth.Permission]bool
	objects   map[auth.Permission]bool // those that can be about a single object, and the wildcards over them
	resources map[string]bool
}

func newCatalogue() catalogue {
	c := catalogue{known: map[auth.Permission]bool{}, objects: map[auth.Permission]bool{}, resources: map[string]bool{}}
	for _, entry := range titles() {
		info := PermissionInfo{Permission: entry.permission, Title: entry.title, Resource: entry.permission.Resource(), Objects: asksForObject(entry.permission)}
		c.list = append(c.list, info)
		c.known[info.Permission] = true
		c.resources[info.Resource] = true
		if info.Objects {
			c.objects[info.Permission] = true
			c.objects[auth.Permission(info.Resource+".*")] = true
		}
	}
	return c
}

// kinds are the resources in the order of the list.
func (c *catalogue) kinds() []string {
	var kinds []string
	for _, info := range c.list {
		if !slices.Contains(kinds, info.Resource) {
			kinds = append(kinds, info.Resource)
		}
	}
	return kinds
}

// has reports whether an operation can ask for p. A wildcard is no such thing.
func (c *catalogue) has(p auth.Permission) bool { return c.known[p] }

// grantable reports whether p can stand in a role: a permission, a wildcard over
// a resource that exists, or "*".
func (c *catalogue) grantable(p auth.Permission) bool {
	return p == "*" || c.known[p] || c.resources[p.Resource()] && p == auth.Permission(p.Resource()+".*")
}

// aboutObjects reports whether a rule that gives p can be about a single object.
func (c *catalogue) aboutObjects(p auth.Permission) bool { return c.objects[p] }

// asksForObject reports whether operations ask for p on an object; the others ask
// for the kind as a whole. What may be read is in the lists.
func asksForObject(p auth.Permission) bool {
	_, action, _ := strings.Cut(string(p), ".")
	switch {
	case slices.Contains([]string{"tenant", "audit", "monitor"}, p.Resource()), slices.Contains([]string{"list", "create", "invite"}, action):
		return false
	}
	return !slices.Contains([]auth.Permission{auth.QueryTest, auth.RunAnswer, auth.RunSignal}, p)
}

// Reads reports whether a permission is one to look. A caller who views as somebody else
// has no others, see [Service.ViewAs].
func Reads(p auth.Permission) bool {
	_, action, _ := strings.Cut(string(p), ".")
	return p == auth.QueryExecute || slices.Contains([]string{"list", "read", "history"}, action)
}

type titled struct {
	permission auth.Permission
	title      string
}

func titles() []titled {
	return []titled{
		{auth.TenantRead, "See the workspace"},
		{auth.TenantUpdate, "Rename the workspace"},
		{auth.TenantDelete, "Delete the workspace with everything in it"},
		{auth.TenantExport, "Take along everything in the workspace"},

		{auth.MemberList, "List members"},
		{auth.MemberRead, "See a member and their roles"},
		{auth.MemberCreate, "Add members"},
		{auth.MemberUpdate, "Change the roles of members"},
		{auth.MemberDelete, "Remove members"},
		{auth.MemberInvite, "Invite people, and see who is invited"},
		{auth.MemberImpersonate, "See the workspace as a member sees it"},

		{auth.RoleList, "List roles"},
		{auth.RoleRead, "See a role and its permissions"},
		{auth.RoleCreate, "Create roles"},
		{auth.RoleUpdate, "Change roles"},
		{auth.RoleDelete, "Delete roles"},

		{auth.APIKeyList, "List API keys"},
		{auth.APIKeyCreate, "Create API keys"},
		{auth.APIKeyUpdate, "Change and rotate API keys"},
		{auth.APIKeyDelete, "Revoke API keys"},

		{auth.AuditList, "Read the audit record"},

		{auth.DatasourceList, "List datasources"},
		{auth.DatasourceRead, "See a datasource and its schema"},
		{auth.DatasourceCreate, "Connect datasources"},
		{auth.DatasourceUpdate, "Change datasources"},
		{auth.DatasourceDelete, "Delete datasources"},
		{auth.DatasourceTest, "Test the connection of a datasource"},

		{auth.FileList, "List uploaded files"},
		{auth.FileRead, "See an uploaded file"},
		{auth.FileCreate, "Upload files"},
		{auth.FileDelete, "Delete uploaded files"},

		{auth.QueryList, "List saved queries"},
		{auth.QueryRead, "See the text of a saved query"},
		{auth.QueryCreate, "Create saved queries"},
		{auth.QueryUpdate, "Change saved queries"},
		{auth.QueryDelete, "Delete saved queries"},
		{auth.QueryTest, "Run a query text that is not saved"},
		{auth.QueryExecute, "Run saved queries"},
		{auth.QueryHistory, "See who ran a query, when and with which values"},
		{auth.QueryCancel, "Stop queries that others run"},
		{auth.QueryRules, "Change who sees which rows of a saved query"},

		{auth.WorkflowList, "List workflows"},
		{auth.WorkflowRead, "See a workflow and its versions"},
		{auth.WorkflowCreate, "Create workflows"},
		{auth.WorkflowUpdate, "Change the draft of a workflow"},
		{auth.WorkflowDelete, "Delete workflows"},
		{auth.WorkflowPublish, "Publish a version of a workflow"},
		{auth.WorkflowTest, "Run a graph that is not published"},
		{auth.WorkflowExecute, "Start a workflow"},

		{auth.RunList, "List runs"},
		{auth.RunRead, "See a run with its data"},
		{auth.RunCancel, "Cancel a run"},
		{auth.RunRetry, "Run a run again, in whole or in part"},
		{auth.RunAnswer, "Answer approvals and forms"},
		{auth.RunSignal, "Send events to runs"},

		{auth.ScheduleList, "List schedules"},
		{auth.ScheduleRead, "See a schedule and its next times"},
		{auth.ScheduleCreate, "Create schedules"},
		{auth.ScheduleUpdate, "Change, pause and resume schedules"},
		{auth.ScheduleDelete, "Delete schedules"},

		{auth.WebhookList, "List webhooks"},
		{auth.WebhookRead, "See a webhook and its path"},
		{auth.WebhookCreate, "Create webhooks"},
		{auth.WebhookUpdate, "Change webhooks and their secrets"},
		{auth.WebhookDelete, "Delete webhooks"},

		{auth.MonitorRead, "See how busy the workflow engine is"},
	}
}
