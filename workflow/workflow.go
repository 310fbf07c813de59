package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// Workflow is a named graph with a draft and published versions.
type Workflow struct {
	ID               string    `json:"id"`
	Name             string    `json:"name"`
	Description      string    `json:"description"`
	Draft            Graph     `json:"draft"`
	PublishedVersion int       `json:"publishedVersion" doc:"the version that new runs execute; 0 = none yet"`
	CreatedBy        string    `json:"createdBy"`
	CreatedAt        time.Time `json:"createdAt"`
	UpdatedAt        time.Time `json:"updatedAt"`
	Version          int       `json:"version" doc:"rises by one with every change of the workflow"`
}

// NewWorkflow is what [Service.Create] needs.
type NewWorkflow struct {
	Name        string `json:"name" minLength:"1" maxLength:"200"`
	Description string `json:"description,omitempty" maxLength:"2000"`
	Draft       Graph  `json:"draft"`
}

// Update changes the fields that are set.
type Update struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
	Draft       *Graph  `json:"draft,omitempty"`
	Version     int     `json:"version,omitempty" doc:"the version that was read; another is refused"`
}

// NodeTypes lists the node types of this App, by name.
func (s *Service) NodeTypes(ctx context.Context) ([]NodeSpec, error) {
	if _, err := s.cfg.Authorize(ctx, auth.WorkflowList, ""); err != nil {
		return nil, err
	}
	return s.types.specs(), nil
}

// Create stores a workflow with its draft. A draft with faults is refused with
// all of them, and nothing is stored.
func (s *Service) Create(ctx context.Context, in NewWorkflow) (Workflow, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowCreate, "")
	if err != nil {
		return Workflow{}, err
	}
	in.Name = strings.TrimSpace(in.Name)
	if err := together(checkTexts(in.Name, in.Description), s.checkDraft(ctx, in.Draft)); err != nil {
		return Workflow{}, err
	}
	now := s.cfg.Clock.Now()
	row := workflowRow{
		ID: id.New(), TenantID: who.TenantID, Name: in.Name, Description: in.Description, Draft: encode(in.Draft),
		CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.cfg.Admit(ctx, tx, row.TenantID, "workflows"); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return nameTaken(err, "workflow")
		}
		if err := s.cfg.Own(ctx, tx, "workflow", row.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, who, "workflow.create", row.ID, map[string]any{"name": row.Name}, nil, row.state())
	})
	if err != nil {
		return Workflow{}, err
	}
	return row.workflow()
}

// Get reads a workflow with its draft.
func (s *Service) Get(ctx context.Context, workflowID string) (Workflow, error) {
	return show(ctx, s, auth.WorkflowRead, workflowID, readWorkflow, (*workflowRow).workflow)
}

// List reads the workflows that the caller may see, newest first. Of those that he may
// not read ([auth.WorkflowRead]) it leaves out the draft.
func (s *Service) List(ctx context.Context, r page.Request) (page.Page[Workflow], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.WorkflowList, "id")
	if err != nil {
		return page.Page[Workflow]{}, err
	}
	return page.List[workflowRow, Workflow]{
		Key:   func(w Workflow) string { return w.ID },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Where("deleted_at IS NULL").Apply(visible),
		Scope: []string{"workflows", who.TenantID},
		View:  func(row *workflowRow) (Workflow, error) { return s.listed(ctx, row) },
	}.Read(ctx, s.cfg.Pages, r)
}

func (s *Service) listed(ctx context.Context, row *workflowRow) (Workflow, error) {
	w, err := row.workflow()
	if err != nil {
		return w, err
	}
	readable, err := s.cfg.Authorize.May(ctx, auth.WorkflowRead, row.ID)
	if !readable {
		w.Draft = Graph{}
	}
	return w, err
}

// Update changes a workflow. Runs and published versions stay as they are.
func (s *Service) Update(ctx context.Context, workflowID string, in Update) (Workflow, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowUpdate, workflowID)
	if err != nil {
		return Workflow{}, err
	}
	return s.update(ctx, who, workflowID, in, map[string]any{})
}

// update changes a workflow, and tells the audit how it came about.
func (s *Service) update(ctx context.Context, who *auth.Principal, workflowID string, in Update, detail map[string]any) (Workflow, error) {
	if in.Draft != nil {
		if err := s.checkDraft(ctx, *in.Draft); err != nil {
			return Workflow{}, err
		}
	}
	var row workflowRow
	err := s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		row, err = readWorkflow(ctx, tx, who.TenantID, workflowID, s.cfg.DB.Dialect.Lock)
		if err != nil {
			return err
		}
		if in.Version != 0 && in.Version != row.Version {
			return stale("workflow")
		}
		before := row.state()
		if err := row.apply(in); err != nil {
			return err
		}
		row.UpdatedAt, row.Version = s.cfg.Clock.Now(), row.Version+1
		if err := saveWorkflow(ctx, tx, &row); err != nil {
			return err
		}
		detail["name"], detail["version"] = row.Name, row.Version
		return s.audit(ctx, tx, who, "workflow.update", row.ID, detail, before, row.state())
	})
	if err != nil {
		return Workflow{}, err
	}
	return row.workflow()
}

// Delete removes a workflow from lists and refuses new starts. Its versions and
// runs stay, and runs that are under way go on. Conflict while published workflows, or
// runs under way, of others begin it.
func (s *Service) Delete(ctx context.Context, workflowID string) error {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowDelete, workflowID)
	if err != nil {
		return err
	}
	users, err := s.using(ctx, who.TenantID, auth.Grant{Permission: auth.WorkflowExecute, ObjectID: workflowID}, workflowID)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return problem.Newf(problem.Conflict, "workflow_in_use", "the workflow is used by %s", text.Some(users)).
			Fix("publish them without it, or delete them, and wait for their runs")
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row, err := readWorkflow(ctx, tx, who.TenantID, workflowID, s.cfg.DB.Dialect.Lock)
		if err != nil {
			return err
		}
		now := s.cfg.Clock.Now()
		row.DeletedAt, row.UpdatedAt, row.Version = &now, now, row.Version+1
		if err := saveWorkflow(ctx, tx, &row); err != nil {
			return err
		}
		return s.audit(ctx, tx, who, "workflow.delete", row.ID, map[string]any{"name": row.Name}, row.state(), nil)
	})
	if err != nil {
		return err
	}
	return nil
}

// Validate checks a graph as [Service.Create] would, without storing it: nil, or
// Invalid with every fault.
func (s *Service) Validate(ctx context.Context, g Graph) error {
	return s.ValidateDraft(ctx, "", g)
}

// ValidateDraft is [Service.Validate] for whoever may change one workflow.
func (s *Service) ValidateDraft(ctx context.Context, workflowID string, g Graph) error {
	if _, err := s.cfg.Authorize(ctx, auth.WorkflowUpdate, workflowID); err != nil {
		return err
	}
	return s.checkDraft(ctx, g)
}

func (s *Service) checkDraft(ctx context.Context, g Graph) error {
	_, err := s.check(ctx, g)
	return err
}

func (r *workflowRow) apply(in Update) error {
	if in.Name != nil {
		r.Name = strings.TrimSpace(*in.Name)
	}
	if in.Description != nil {
		r.Description = *in.Description
	}
	if in.Draft != nil {
		r.Draft = encode(*in.Draft)
	}
	return checkTexts(r.Name, r.Description)
}

func (r *workflowRow) workflow() (Workflow, error) {
	w := Workflow{
		ID: r.ID, Name: r.Name, Description: r.Description, PublishedVersion: r.PublishedVersion,
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: r.Version,
	}
	return w, json.Unmarshal([]byte(r.Draft), &w.Draft)
}

// TenantOfWorkflow is [Service.TenantOf] of a workflow.
func (s *Service) TenantOfWorkflow(ctx context.Context, workflowID string) (string, error) {
	return s.homes.Find(workflowID, func() (tenantID string, err error) {
		err = s.cfg.DB.NewRaw("SELECT tenant_id FROM ?schema.jet_workflow /* across tenants: find the tenant of a workflow */ WHERE id = ? AND deleted_at IS NULL", workflowID).
			Scan(ctx, &tenantID)
		if store.IsMissing(err) {
			err = problem.Missing("workflow")
		}
		return tenantID, err
	})
}

func readWorkflow(ctx context.Context, db bun.IDB, tenantID, workflowID string, lock locking) (workflowRow, error) {
	return find[workflowRow](ctx, db, tenantID, workflowID, "workflow", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("deleted_at IS NULL").Apply(lock)
	})
}

// readPublished reads what a start needs of a workflow, and not its draft, which may
// be large.
func readPublished(ctx context.Context, db bun.IDB, tenantID, workflowID string) (w workflowRow, err error) {
	if !id.Valid(workflowID) {
		return w, problem.Missing("workflow")
	}
	var rows []struct {
		workflowRow
		Suspended bool
	}
	err = store.Select(ctx, db, &rows, `SELECT w.id, w.tenant_id, w.published_version, t.suspended_at IS NOT NULL AS suspended FROM ?schema.jet_workflow AS w
		JOIN ?schema.jet_tenant AS t ON t.id = w.tenant_id WHERE w.tenant_id = ? AND w.id = ? AND w.deleted_at IS NULL AND t.deleted_at IS NULL`, tenantID, workflowID)
	switch {
	case err != nil:
		return w, err
	case len(rows) == 0:
		return w, problem.Missing("workflow")
	case rows[0].Suspended: // also for who needs no role: a schedule, a webhook
		return w, auth.TenantSuspended()
	}
	return rows[0].workflowRow, nil
}

func saveWorkflow(ctx context.Context, tx bun.IDB, row *workflowRow) error {
	_, err := tx.NewUpdate().Model(row).Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx)
	return nameTaken(err, "workflow")
}

func (s *Service) audit(ctx context.Context, tx bun.IDB, who *auth.Principal, action, objectID string, detail map[string]any, before, after any) error {
	return s.cfg.Audit(ctx, tx, audit.Entry{
		TenantID: who.TenantID, Action: action, ObjectType: "workflow", ObjectID: objectID, Before: before, After: after, Detail: detail,
	})
}

// maxRecorded is how many bytes of a draft the record looks through.
const maxRecorded = 64 << 10

// state is what a change of the workflow can change, for the record: of a large
// draft its size alone.
func (w *workflowRow) state() map[string]any {
	state := map[string]any{"name": w.Name, "description": w.Description, "publishedVersion": w.PublishedVersion, "draftBytes": len(w.Draft)}
	if len(w.Draft) <= maxRecorded {
		state["draft"] = json.RawMessage(w.Draft)
	}
	return state
}

func checkTexts(name, description string) error {
	var f problem.Faults
	checkName(&f, name)
	f.Check(utf8.RuneCountInString(description) <= maxDescription, "description", fmt.Sprintf("must have at most %d characters", maxDescription))
	f.Check(utf8.ValidString(description) && !strings.Contains(description, "\x00"), "description", "must be readable text")
	return f.Err("workflow_invalid", "the workflow is not valid")
}

// together is both errors as one when they are lists of faults.
func together(first, second error) error {
	switch {
	case first == nil || second != nil && !problem.Is(second, problem.Invalid):
		return second
	case second == nil:
		return first
	}
	var f problem.Faults
	f.Merge("", first)
	f.Merge("", second)
	return f.Err("workflow_invalid", "the workflow is not valid")
}

// encode writes JSON for a column. Its values come from JSON or are our own
// types, so it cannot fail.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
