package datasource

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

type datasourceRow struct {
	bun.BaseModel `bun:"table:?schema.jet_datasource,alias:d"`

	ID          string `bun:",pk"`
	TenantID    string
	Name        string
	Description string
	Type        string
	Settings    string
	Secrets     string
	ReadOnly    bool
	CreatedBy   string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int
}

type queryRow struct {
	bun.BaseModel `bun:"table:?schema.jet_query,alias:q"`

	ID           string `bun:",pk"`
	TenantID     string
	DatasourceID string
	Name         string
	Description  string
	Operation    string
	Params       string
	Writes       bool
	RowLimit     int
	TimeoutMS    int64  `bun:"timeout_ms"`
	CacheTTLMS   int64  `bun:"cache_ttl_ms"`
	Transform    string // JSON; "" = none
	Rules        string // row rules, JSON; "" = none
	CreatedBy    string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int

	Datasource *datasourceRow `bun:"rel:belongs-to,join:datasource_id=id,join:tenant_id=tenant_id"`
}

func (r *datasourceRow) sealed() (map[string]string, error) {
	var sealed map[string]string
	err := json.Unmarshal([]byte(r.Secrets), &sealed)
	return sealed, err
}

func (r *datasourceRow) values() (map[string]any, error) {
	var values map[string]any
	err := json.Unmarshal([]byte(r.Settings), &values)
	return values, err
}

func findDatasource(ctx context.Context, db bun.IDB, tenantID, id string) (*datasourceRow, error) {
	row := new(datasourceRow)
	err := db.NewSelect().Model(row).Where("d.tenant_id = ?", tenantID).Where("d.id = ?", id).Scan(ctx)
	return row, found(err, "datasource")
}

func findQuery(ctx context.Context, db bun.IDB, tenantID, id string) (*queryRow, error) {
	row := new(queryRow)
	err := db.NewSelect().Model(row).Where("q.tenant_id = ?", tenantID).Where("q.id = ?", id).Scan(ctx)
	return row, found(err, "query")
}

// findRunnable reads a query with its datasource in one statement.
func findRunnable(ctx context.Context, db bun.IDB, tenantID, id string) (*queryRow, error) {
	row := new(queryRow)
	err := db.NewSelect().Model(row).Relation("Datasource").
		Where("q.tenant_id = ?", tenantID).Where("q.id = ?", id).Scan(ctx)
	if err == nil && row.Datasource == nil { // a reference to another tenant's, put there by other means
		return nil, problem.Missing("datasource")
	}
	return row, found(err, "query")
}

func found(err error, noun string) error {
	if store.IsMissing(err) {
		return problem.Missing(noun)
	}
	return err
}

func countQueries(ctx context.Context, db bun.IDB, tenantID, datasourceID string, writing bool) (int64, error) {
	q := db.NewSelect().Model((*queryRow)(nil)).Where("q.tenant_id = ?", tenantID).Where("q.datasource_id = ?", datasourceID)
	if writing {
		q = q.Where("q.writes")
	}
	return q.Count(ctx)
}

func insert(ctx context.Context, db bun.IDB, row any) error {
	_, err := db.NewInsert().Model(row).Exec(ctx)
	return taken(err)
}

// update writes a row that was read with the version `was`.
func update(ctx context.Context, db bun.IDB, row any, tenantID string, was int) error {
	n, err := store.Changed(db.NewUpdate().Model(row).WherePK().
		Where("tenant_id = ?", tenantID).Where("version = ?", was).Exec(ctx))
	if err != nil {
		return taken(err)
	}
	if n == 0 {
		return stale()
	}
	return nil
}

func remove(ctx context.Context, db bun.IDB, row any, tenantID, id string) error {
	_, err := db.NewDelete().Model(row).Where("tenant_id = ?", tenantID).Where("id = ?", id).Exec(ctx)
	if store.IsForeignKey(err) {
		return problem.New(problem.Conflict, "in_use", "it is still in use").Because(err)
	}
	return err
}

func taken(err error) error {
	if store.IsUnique(err) {
		return problem.New(problem.Conflict, "name_taken", "the name is already in use").Because(err)
	}
	return err
}

func stale() error {
	return problem.New(problem.Stale, "stale", "it was changed since it was read").Fix("read it again and repeat the change")
}
