package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

// Using names the workflows that need a grant on one object: those whose
// published version pins it, or starts it for a failure, and those with a run under way that does. It is for
// whoever is about to delete the object: each name is in quotes, and a workflow
// that the caller may not see has none.
func (s *Service) Using(ctx context.Context, grant auth.Grant) ([]string, error) {
	who := auth.FromContext(ctx)
	if who == nil || who.TenantID == "" {
		return nil, problem.New(problem.Unauthenticated, "sign_in_required", "this needs a signed-in caller in a tenant")
	}
	return s.using(ctx, who.TenantID, grant, "")
}

// onFailure is how the text of a graph names the workflow that its failures start.
func onFailure(workflowID string) string { return `"onFailure":` + strconv.Quote(workflowID) }

// using leaves out the workflow except: one may begin itself.
func (s *Service) using(ctx context.Context, tenantID string, grant auth.Grant, except string) ([]string, error) {
	if !id.Valid(grant.ObjectID) {
		return nil, nil
	}
	var rows []struct{ ID, Name, Grants, Graph string }
	err := s.cfg.DB.NewRaw(`SELECT w.id, w.name, v.grants, v.graph FROM ?schema.jet_workflow_version AS v
		JOIN ?schema.jet_workflow AS w ON w.tenant_id = v.tenant_id AND w.id = v.workflow_id
		WHERE v.tenant_id = ? AND (v.grants LIKE ? OR v.graph LIKE ?) AND (w.deleted_at IS NULL AND w.published_version = v.number OR EXISTS (
			SELECT 1 FROM ?schema.jet_run AS r WHERE r.tenant_id = ? AND r.status IN ('queued', 'running', 'waiting')
				AND r.workflow_id = v.workflow_id AND r.workflow_version = v.number))
		ORDER BY w.name, w.id`, tenantID, "%"+grant.ObjectID+"%", "%"+onFailure(grant.ObjectID)+"%", tenantID).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	var names, seen []string
	for _, row := range rows {
		var pinned []auth.Grant
		if err := json.Unmarshal([]byte(row.Grants), &pinned); err != nil {
			return nil, err
		}
		handles := grant.Permission == auth.WorkflowExecute && strings.Contains(row.Graph, onFailure(grant.ObjectID))
		if row.ID == except || slices.Contains(seen, row.ID) || !handles && !slices.Contains(pinned, grant) {
			continue
		}
		seen = append(seen, row.ID)
		name := "the workflow " + strconv.Quote(row.Name)
		readable, err := s.cfg.Authorize.May(ctx, auth.WorkflowRead, row.ID)
		if err != nil {
			return nil, err
		}
		if !readable {
			name = "a workflow that you may not see"
		}
		names = append(names, name)
	}
	return names, nil
}
