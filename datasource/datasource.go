package datasource

import (
	"context"
	"maps"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// Datasource is a saved connection, as everybody who may read it sees it.
type Datasource struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Type        string            `json:"type"`
	Settings    map[string]any    `json:"settings"` // without the secret fields
	Secrets     map[string]string `json:"secrets"`  // field → "set" or "notSet", never a value
	ReadOnly    bool              `json:"readOnly"`
	CreatedBy   string            `json:"createdBy"`
	CreatedAt   time.Time         `json:"createdAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Version     int               `json:"version"`
}

// NewDatasource is the input of [Service.Create] and [Service.Test].
type NewDatasource struct {
	Name        string            `json:"name"` // unique in the tenant, 1 to 100 characters
	Description string            `json:"description"`
	Type        string            `json:"type"`
	Settings    map[string]any    `json:"settings"` // the fields of the type's Spec that are not secret
	Secrets     map[string]string `json:"secrets"`  // those that are
	ReadOnly    bool              `json:"readOnly"` // no query of it may write
}

// DatasourceUpdate changes what is not nil.
type DatasourceUpdate struct {
	Name        *string           `json:"name"`
	Description *string           `json:"description"`
	Settings    map[string]any    `json:"settings"` // the named fields; null = back to the default
	Secrets     map[string]string `json:"secrets"`  // the named fields; the mask keeps, "" removes
	ReadOnly    *bool             `json:"readOnly"`
	Version     int               `json:"version"` // of the datasource that was read; 0 = whatever it is
}

// List returns the datasources of the tenant that the caller may see, newest first. Of
// those that he may not read ([auth.DatasourceRead]) it leaves out settings and secrets.
func (s *Service) List(ctx context.Context, r page.Request) (page.Page[Datasource], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.DatasourceList, "id")
	if err != nil {
		return page.Page[Datasource]{}, err
	}
	return page.List[datasourceRow, Datasource]{
		Key:   func(d Datasource) string { return d.ID },
		Query: s.db.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(visible),
		Scope: []string{"datasources", who.TenantID},
		View:  func(row *datasourceRow) (Datasource, error) { return s.listedSource(ctx, row) },
	}.Read(ctx, s.cfg.Pages, r)
}

func (s *Service) listedSource(ctx context.Context, row *datasourceRow) (Datasource, error) {
	d, err := s.view(row)
	if err != nil {
		return d, err
	}
	readable, err := s.authorize.May(ctx, auth.DatasourceRead, row.ID)
	if !readable {
		d.Settings, d.Secrets = map[string]any{}, map[string]string{}
	}
	return d, err
}

// Get returns one datasource.
func (s *Service) Get(ctx context.Context, id string) (Datasource, error) {
	who, err := s.authorize(ctx, auth.DatasourceRead, id)
	if err != nil {
		return Datasource{}, err
	}
	row, err := findDatasource(ctx, s.db.DB, who.TenantID, id)
	if err != nil {
		return Datasource{}, err
	}
	return s.view(row)
}

// Create saves a datasource. It does not connect; see [Service.Test]. A name
// that is taken is a Conflict.
func (s *Service) Create(ctx context.Context, in NewDatasource) (Datasource, error) {
	who, err := s.authorize(ctx, auth.DatasourceCreate, "")
	if err != nil {
		return Datasource{}, err
	}
	if err := s.mayRead(ctx, in.Type, in.Settings, nil); err != nil {
		return Datasource{}, err
	}
	now := s.cfg.Clock.Now()
	row := &datasourceRow{
		ID: id.New(), TenantID: who.TenantID, Name: in.Name, Description: in.Description, Type: in.Type,
		ReadOnly: in.ReadOnly, CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := s.fill(ctx, s.db.DB, row, in.Settings, nil, in.Secrets, keptSecrets{}); err != nil {
		return Datasource{}, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.cfg.Admit(ctx, tx, row.TenantID, "datasources"); err != nil {
			return err
		}
		if err := insert(ctx, tx, row); err != nil {
			return err
		}
		if err := s.cfg.Own(ctx, tx, "datasource", row.ID); err != nil {
			return err
		}
		entry := row.entry("datasource.create", map[string]any{"name": row.Name, "type": row.Type})
		if entry.After, err = row.state(); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, entry)
	})
	if err != nil {
		return Datasource{}, err
	}
	return s.view(row)
}

// Update changes a datasource; open connections with the old settings end when
// nobody uses them. Changing a target field (see [Field.Target]) forgets the
// stored secrets that the same call does not enter again. Secrets that no key of the
// server opens stay as they are while neither settings nor secrets change; otherwise
// they have to be entered again. Setting ReadOnly while
// queries that write use the datasource is a Conflict.
func (s *Service) Update(ctx context.Context, id string, in DatasourceUpdate) (Datasource, error) {
	who, err := s.authorize(ctx, auth.DatasourceUpdate, id)
	if err != nil {
		return Datasource{}, err
	}
	if err := s.mayReadAgain(ctx, who.TenantID, id, in.Settings); err != nil {
		return Datasource{}, err
	}
	var row *datasourceRow
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = findDatasource(ctx, tx, who.TenantID, id); err != nil {
			return err
		}
		return s.change(ctx, tx, row, in)
	})
	if err != nil {
		return Datasource{}, err
	}
	s.forget(row.ID, row.Version-1)
	return s.view(row)
}

func (s *Service) change(ctx context.Context, tx bun.IDB, row *datasourceRow, in DatasourceUpdate) error {
	was := row.Version
	if in.Version != 0 && in.Version != was {
		return stale()
	}
	old, err := row.values()
	if err != nil {
		return err
	}
	stored, err := s.unseal(row)
	if err != nil {
		return err
	}
	before := *row
	set(&row.Name, in.Name)
	set(&row.Description, in.Description)
	set(&row.ReadOnly, in.ReadOnly)
	merged := maps.Clone(old)
	maps.Copy(merged, in.Settings)
	if err := s.fill(ctx, tx, row, merged, old, in.Secrets, stored); err != nil {
		return err
	}
	if row.ReadOnly && !before.ReadOnly {
		n, err := countQueries(ctx, tx, row.TenantID, row.ID, true)
		if err != nil {
			return err
		}
		if n > 0 {
			return problem.Newf(problem.Conflict, "datasource_in_use", "saved queries of this datasource write: %d", n)
		}
	}
	row.UpdatedAt, row.Version = s.cfg.Clock.Now(), was+1
	if err := update(ctx, tx, row, row.TenantID, was); err != nil {
		return err
	}
	entry := row.entry("datasource.update", map[string]any{
		"name": row.Name, "changed": row.changes(&before), "secretNames": sortedKeys(in.Secrets),
	})
	if entry.Before, err = before.state(); err != nil {
		return err
	}
	if entry.After, err = row.state(); err != nil {
		return err
	}
	return s.cfg.Audit(ctx, tx, entry)
}

// Delete removes a datasource. It is a Conflict while queries use it.
func (s *Service) Delete(ctx context.Context, id string) error {
	who, err := s.authorize(ctx, auth.DatasourceDelete, id)
	if err != nil {
		return err
	}
	var row *datasourceRow
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = findDatasource(ctx, tx, who.TenantID, id); err != nil {
			return err
		}
		n, err := countQueries(ctx, tx, who.TenantID, id, false)
		if err != nil {
			return err
		}
		if n > 0 {
			return problem.Newf(problem.Conflict, "datasource_in_use", "saved queries still use this datasource: %d", n).
				Fix("delete the queries first, or point them at another datasource")
		}
		if err := remove(ctx, tx, row, who.TenantID, id); err != nil {
			return err
		}
		entry := row.entry("datasource.delete", map[string]any{"name": row.Name, "type": row.Type})
		if entry.Before, err = row.state(); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, entry)
	})
	if err != nil {
		return err
	}
	s.forget(row.ID, row.Version)
	return nil
}

// forget ends what was kept of a datasource that was changed or deleted, up to a
// version.
func (s *Service) forget(id string, version int) {
	s.pools.drop(id, version)
	s.breakers.reset(id)
	s.plans.drop(func(p *plan) bool { return p.ds.ID == id })
	s.results.drop(func(c *cached) bool { return c.ds == id })
	s.schemas.drop(func(k *keptSchema) bool { return k.ds == id })
}

func (s *Service) view(row *datasourceRow) (Datasource, error) {
	d := Datasource{
		ID: row.ID, Name: row.Name, Description: row.Description, Type: row.Type, ReadOnly: row.ReadOnly, CreatedBy: row.CreatedBy,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, Version: row.Version, Secrets: map[string]string{},
	}
	sealed, err := row.sealed()
	if err != nil {
		return Datasource{}, err
	}
	if d.Settings, err = row.values(); err != nil {
		return Datasource{}, err
	}
	if connector := s.types[row.Type]; connector != nil {
		d.Secrets = connector.Spec().states(sealed)
	}
	return d, nil
}

// state is what a change of the datasource can change but its secrets, for the
// record.
func (r *datasourceRow) state() (map[string]any, error) {
	settings, err := r.values()
	return map[string]any{"name": r.Name, "description": r.Description, "readOnly": r.ReadOnly, "settings": settings}, err
}

func (r *datasourceRow) entry(action string, detail map[string]any) audit.Entry {
	return audit.Entry{TenantID: r.TenantID, Action: action, ObjectType: "datasource", ObjectID: r.ID, Detail: detail}
}

// changes names the fields that differ, without their values.
func (r *datasourceRow) changes(before *datasourceRow) []string {
	differs := map[string]bool{
		"name": r.Name != before.Name, "description": r.Description != before.Description,
		"settings": r.Settings != before.Settings, "readOnly": r.ReadOnly != before.ReadOnly,
	}
	maps.DeleteFunc(differs, func(_ string, changed bool) bool { return !changed })
	return sortedKeys(differs)
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}
