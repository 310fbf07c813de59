package workflow

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Version is a published graph. It never changes.
type Version struct {
	WorkflowID  string       `json:"workflowId"`
	Number      int          `json:"number"`
	Graph       Graph        `json:"graph"`
	Grants      []auth.Grant `json:"grants" doc:"what its runs may use; held by whoever published it"`
	PublishedBy string       `json:"publishedBy"`
	PublishedAt time.Time    `json:"publishedAt"`
}

// Publish makes the draft the next version, which new runs execute. The caller
// must hold every right that the graph's nodes need; the version pins them.
// version is the workflow's version that was read, 0 = any.
func (s *Service) Publish(ctx context.Context, workflowID string, version int) (Version, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowPublish, workflowID)
	if err != nil {
		return Version{}, err
	}
	draft, err := readWorkflow(ctx, s.cfg.DB.DB, who.TenantID, workflowID, nil)
	if err != nil {
		return Version{}, err
	}
	if version != 0 && version != draft.Version {
		return Version{}, stale("workflow")
	}
	var g Graph
	if err := json.Unmarshal([]byte(draft.Draft), &g); err != nil {
		return Version{}, err
	}
	p, err := s.check(ctx, g)
	if err != nil {
		return Version{}, err
	}
	row := versionRow{
		TenantID: who.TenantID, WorkflowID: workflowID, Graph: draft.Draft, Grants: encode(p.grants()),
		PublishedBy: who.Actor(), PublishedAt: s.cfg.Clock.Now(),
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		w, err := readWorkflow(ctx, tx, who.TenantID, workflowID, s.cfg.DB.Dialect.Lock)
		if err != nil {
			return err
		}
		if w.Version != draft.Version {
			return stale("workflow")
		}
		before := w.state()
		w.PublishedVersion, w.UpdatedAt, w.Version = w.PublishedVersion+1, row.PublishedAt, w.Version+1
		row.Number = w.PublishedVersion
		if err := saveWorkflow(ctx, tx, &w); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, who, "workflow.publish", workflowID, map[string]any{"number": row.Number, "grants": p.grants()}, before, w.state())
	})
	if err != nil {
		return Version{}, err
	}
	return row.version()
}

// RestoreVersion makes a published graph the draft again, judged like any other
// change of it. Runs go on as they are; new ones follow once it is published.
// version is the workflow's version that was read, 0 = any.
func (s *Service) RestoreVersion(ctx context.Context, workflowID string, number, version int) (Workflow, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowUpdate, workflowID)
	if err != nil {
		return Workflow{}, err
	}
	row, err := readVersion(ctx, s.cfg.DB.DB, who.TenantID, workflowID, number)
	if err != nil {
		return Workflow{}, err
	}
	v, err := row.version()
	if err != nil {
		return Workflow{}, err
	}
	return s.update(ctx, who, workflowID, Update{Draft: &v.Graph, Version: version}, map[string]any{"restoredFrom": number})
}

// Version reads a published version.
func (s *Service) Version(ctx context.Context, workflowID string, number int) (Version, error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowRead, workflowID)
	if err != nil {
		return Version{}, err
	}
	row, err := readVersion(ctx, s.cfg.DB.DB, who.TenantID, workflowID, number)
	if err != nil {
		return Version{}, err
	}
	return row.version()
}

// Versions lists the published versions, newest first.
func (s *Service) Versions(ctx context.Context, workflowID string, r page.Request) (page.Page[Version], error) {
	who, err := s.cfg.Authorize(ctx, auth.WorkflowRead, workflowID)
	if err != nil {
		return page.Page[Version]{}, err
	}
	if _, err := readWorkflow(ctx, s.cfg.DB.DB, who.TenantID, workflowID, nil); err != nil {
		return page.Page[Version]{}, err
	}
	return page.List[versionRow, Version]{
		By:    "number",
		Key:   func(v Version) string { return strconv.Itoa(v.Number) },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Where("workflow_id = ?", workflowID),
		Scope: []string{"versions", who.TenantID, workflowID},
		View:  (*versionRow).version,
	}.Read(ctx, s.cfg.Pages, r)
}

func (r *versionRow) version() (Version, error) {
	v := Version{WorkflowID: r.WorkflowID, Number: r.Number, PublishedBy: r.PublishedBy, PublishedAt: r.PublishedAt}
	if err := json.Unmarshal([]byte(r.Graph), &v.Graph); err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(r.Grants), &v.Grants); err != nil || v.Grants != nil {
		return v, err
	}
	v.Grants = []auth.Grant{} // a list without entries, to whoever reads JSON
	return v, nil
}

func readVersion(ctx context.Context, db bun.IDB, tenantID, workflowID string, number int) (versionRow, error) {
	var row versionRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ?", tenantID).Where("workflow_id = ?", workflowID).
		Where("number = ?", number).Scan(ctx)
	if store.IsMissing(err) {
		return row, problem.Missing("version")
	}
	return row, err
}

// planToShow is the graph of a version for who looks at a run of it: also one with node
// types that this process does not have, which cannot be executed here.
func (s *Service) planToShow(ctx context.Context, db bun.IDB, r *runRow) (*plan, error) {
	p, err := s.planOf(ctx, db, r.TenantID, r.WorkflowID, r.WorkflowVersion)
	if problem.Is(err, problem.Invalid) && p != nil && p.flows != nil {
		return p, nil
	}
	return p, err
}

// planOf is the compiled graph of a version. With an Invalid error it returns as much of
// it as there is.
func (s *Service) planOf(ctx context.Context, db bun.IDB, tenantID, workflowID string, number int) (*plan, error) {
	k := versionKey{workflowID: workflowID, number: number}
	if p := s.plans.load(k); p != nil {
		return p, nil
	}
	row, err := readVersion(ctx, db, tenantID, workflowID, number)
	if err != nil {
		return nil, err
	}
	var g Graph
	if err := json.Unmarshal([]byte(row.Graph), &g); err != nil {
		return nil, err
	}
	p, err := compile(g, s.types)
	if err != nil {
		return p, problem.Of(err).Fix("a version that was published has become invalid here: does this process have all node types in Config.Nodes?")
	}
	if err := json.Unmarshal([]byte(row.Grants), &p.granted); err != nil {
		return nil, err
	}
	if row.Pins != nil {
		if err := decode(*row.Pins, &p.pins); err != nil {
			return nil, err
		}
	}
	s.plans.store(k, p)
	return p, nil
}
