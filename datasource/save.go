package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// change is how a query comes to be saved again.
type change struct {
	action   string
	actor    string
	seen     int // the version that was read; 0 = whatever it is
	restored int // the version whose content it is; 0 = none
	may      mayChange
}

// mayChange is what of a query a caller may change beside its name: he needs a right
// more for it.
type mayChange struct {
	rules bool
	text  bool // what it sends to which datasource
}

// save brings a query to a new content, with the record and the version of that.
func (s *Service) save(ctx context.Context, tx bun.IDB, row *queryRow, next NewQuery, c change) error {
	before := *row
	if c.seen != 0 && c.seen != before.Version {
		return stale()
	}
	old, err := row.content()
	if err != nil {
		return err
	}
	if err := s.fillQuery(ctx, tx, row, next); err != nil {
		return err
	}
	now, err := row.content()
	switch {
	case err != nil:
		return err
	case !c.may.rules && !now.judgedLike(old):
		return errRules
	case !c.may.text && !now.sends(old):
		return errText
	}
	row.UpdatedAt, row.Version = s.cfg.Clock.Now(), before.Version+1
	if err := update(ctx, tx, row, row.TenantID, before.Version); err != nil {
		return err
	}
	fields := row.changes(&before)
	if err := keepVersion(ctx, tx, row, fields, c); err != nil {
		return err
	}
	entry := row.entry(c.action, map[string]any{"name": row.Name, "writes": row.Writes, "changed": fields})
	if c.restored > 0 {
		entry.Detail["number"] = c.restored
	}
	if entry.Before, err = before.content(); err != nil {
		return err
	}
	if entry.After, err = row.content(); err != nil {
		return err
	}
	return s.cfg.Audit(ctx, tx, entry)
}

var errRules = errors.New("the caller may not change the row rules of the query")

// errText is for who may change a query only because he made it: an owner keeps what
// he made, but writes no new text when he could make no query any more (T20).
var errText = errors.New("the caller may not change the text of the query")

// ruled runs a change of a query that may touch its row rules or its text. Whether the
// caller may do that is asked before the transaction, and told only when it matters.
func (s *Service) ruled(ctx context.Context, queryID string, fn func(mayChange) error) error {
	may := mayChange{text: true}
	var err error
	if may.rules, err = s.authorize.May(ctx, auth.QueryRules, queryID); err != nil {
		return err
	}
	owns, err := s.cfg.OnlyOwns(ctx, auth.QueryUpdate, queryID)
	if err == nil && owns {
		may.text, err = s.authorize.May(ctx, auth.QueryCreate, "")
	}
	if err != nil {
		return err
	}
	changing := fn(may)
	var denied error
	switch {
	case errors.Is(changing, errRules):
		_, denied = s.authorize(ctx, auth.QueryRules, queryID)
	case errors.Is(changing, errText):
		_, denied = s.authorize(ctx, auth.QueryCreate, "")
	default:
		return changing
	}
	if denied != nil {
		return denied
	}
	return problem.New(problem.Stale, "stale", "the rights of the caller have just changed").Fix("repeat the change")
}

// sends reports whether two contents of a query send the same to the same datasource.
func (q NewQuery) sends(other NewQuery) bool {
	return q.DatasourceID == other.DatasourceID && q.Writes == other.Writes && string(q.Operation) == string(other.Operation) &&
		sameJSON(q.Params, other.Params)
}

// keepVersion stores a query that was just saved, and forgets what is too old.
func keepVersion(ctx context.Context, tx bun.IDB, row *queryRow, fields []string, c change) error {
	content, err := row.content()
	if err != nil {
		return err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	names, err := json.Marshal(append([]string{}, fields...))
	if err != nil {
		return err
	}
	v := &queryVersionRow{
		TenantID: row.TenantID, QueryID: row.ID, Number: row.Version, Content: string(text), Changed: string(names), SavedBy: c.actor, SavedAt: row.UpdatedAt,
	}
	if c.restored > 0 {
		v.RestoredFrom = &c.restored
	}
	if err := insert(ctx, tx, v); err != nil {
		return err
	}
	_, err = tx.NewDelete().Model((*queryVersionRow)(nil)).Where("tenant_id = ?", row.TenantID).Where("query_id = ?", row.ID).
		Where("number <= ?", row.Version-MaxQueryVersions).Exec(ctx)
	return err
}

type queryVersionRow struct {
	bun.BaseModel `bun:"table:?schema.jet_query_version,alias:v"`

	TenantID     string
	QueryID      string `bun:",pk"`
	Number       int    `bun:",pk"`
	Content      string
	Changed      string
	RestoredFrom *int
	SavedBy      string
	SavedAt      time.Time
}

func findQueryVersion(ctx context.Context, db bun.IDB, tenantID, queryID string, number int) (*queryVersionRow, error) {
	row := new(queryVersionRow)
	err := db.NewSelect().Model(row).Where("v.tenant_id = ?", tenantID).Where("v.query_id = ?", queryID).Where("v.number = ?", number).Scan(ctx)
	if store.IsMissing(err) {
		return nil, problem.Missing("version")
	}
	return row, err
}

func (r *queryVersionRow) view() (QueryVersion, error) {
	v := QueryVersion{QueryID: r.QueryID, Number: r.Number, SavedBy: r.SavedBy, SavedAt: r.SavedAt}
	if r.RestoredFrom != nil {
		v.RestoredFrom = *r.RestoredFrom
	}
	if err := json.Unmarshal([]byte(r.Changed), &v.Changed); err != nil || r.Content == "" {
		return v, err
	}
	return v, json.Unmarshal([]byte(r.Content), &v.Content)
}
