package workflow

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// What the tenant's named objects have in common: workflows, schedules, webhooks.

// locking is how a read takes its row for the rest of the transaction; nil reads freely.
type locking func(*bun.SelectQuery) *bun.SelectQuery

// narrowing leaves of a list what its reader may see.
type narrowing func(*bun.SelectQuery) *bun.SelectQuery

// find reads the row of one of a tenant's objects. NotFound says of which noun
// there is none.
func find[R any](ctx context.Context, db bun.IDB, tenantID, objectID, noun string, lock locking) (R, error) {
	var row R
	err := db.NewSelect().Model(&row).Where("tenant_id = ?", tenantID).Where("id = ?", objectID).Apply(lock).Scan(ctx)
	if store.IsMissing(err) {
		err = problem.Missing(noun)
	}
	return row, err
}

// finder is [find] for one kind of object.
type finder[R any] func(ctx context.Context, db bun.IDB, tenantID, objectID string, lock locking) (R, error)

// show returns an object of the caller's tenant.
func show[R, T any](ctx context.Context, s *Service, permission auth.Permission, objectID string, find finder[R], view func(*R) (T, error)) (T, error) {
	var none T
	who, err := s.cfg.Authorize(ctx, permission, objectID)
	if err != nil {
		return none, err
	}
	row, err := find(ctx, s.cfg.DB.DB, who.TenantID, objectID, nil)
	if err != nil {
		return none, err
	}
	return view(&row)
}

// The lengths of texts, in characters.
const (
	maxName        = 200
	maxDescription = 2000
)

func checkName(f *problem.Faults, name string) {
	n := utf8.RuneCountInString(name)
	f.Check(n > 0 && n <= maxName, "name", fmt.Sprintf("must have 1 to %d characters", maxName))
	f.Check(text.OneLine(name), "name", "must be readable text on one line")
}

func nameTaken(err error, noun string) error {
	if store.IsUnique(err) {
		return problem.Newf(problem.Conflict, "name_taken", "a %s of this name is already there", noun).Because(err)
	}
	return err
}

func stale(noun string) error {
	return problem.Newf(problem.Stale, "version_stale", "the %s was changed since it was read", noun).
		Fix("read it again and repeat the change")
}
