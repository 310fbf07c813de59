package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Limits bound what a tenant may have. 0 = the default, negative = no limit.
type Limits struct {
	Datasources  int64 `json:"datasources,omitempty"`  // default 1,000
	FileBytes    int64 `json:"fileBytes,omitempty"`    // bytes of uploaded files together; default 1 GiB
	Members      int64 `json:"members,omitempty"`      // with open invitations; default 10,000
	Queries      int64 `json:"queries,omitempty"`      // saved ones; default 10,000
	RunsInFlight int64 `json:"runsInFlight,omitempty"` // that have not ended, test runs too; default 100,000
	Schedules    int64 `json:"schedules,omitempty"`    // default 1,000
	Webhooks     int64 `json:"webhooks,omitempty"`     // default 1,000
	Workflows    int64 `json:"workflows,omitempty"`    // default 10,000

	// Rows bound each result of a query, also one that is streamed: what is beyond is
	// cut off. Default: as many as the query and the kind of result give.
	Rows int64 `json:"rows,omitempty"`
}

// Resource is what a tenant has a number of: the name of its field of [Limits] in JSON.
type Resource string

// The resources.
const (
	Datasources  Resource = "datasources"
	FileBytes    Resource = "fileBytes"
	Members      Resource = "members"
	Queries      Resource = "queries"
	RunsInFlight Resource = "runsInFlight"
	Schedules    Resource = "schedules"
	Webhooks     Resource = "webhooks"
	Workflows    Resource = "workflows"
)

// Resources lists all of them, in alphabetical order.
func Resources() []Resource {
	return []Resource{Datasources, FileBytes, Members, Queries, RunsInFlight, Schedules, Webhooks, Workflows}
}

// Of is the limit on a resource; negative = none.
func (l Limits) Of(r Resource) int64 {
	switch r {
	case Datasources:
		return l.Datasources
	case FileBytes:
		return l.FileBytes
	case Members:
		return l.Members
	case Queries:
		return l.Queries
	case RunsInFlight:
		return l.RunsInFlight
	case Schedules:
		return l.Schedules
	case Webhooks:
		return l.Webhooks
	case Workflows:
		return l.Workflows
	}
	return 0
}

func defaultLimits() Limits {
	return Limits{
		Datasources: 1000, FileBytes: 1 << 30, Members: 10_000, Queries: 10_000, Rows: -1, RunsInFlight: 100_000, Schedules: 1000, Webhooks: 1000, Workflows: 10_000,
	}
}

// or takes what is not set from others.
func (l Limits) or(others Limits) Limits {
	for own, other := range map[*int64]int64{
		&l.Datasources: others.Datasources, &l.FileBytes: others.FileBytes, &l.Members: others.Members, &l.Queries: others.Queries,
		&l.Rows: others.Rows, &l.RunsInFlight: others.RunsInFlight, &l.Schedules: others.Schedules, &l.Webhooks: others.Webhooks, &l.Workflows: others.Workflows,
	} {
		if *own == 0 {
			*own = other
		}
	}
	return l
}

// SetLimits gives a tenant limits of its own in place of those of the installation;
// a 0 takes that of the installation. What a tenant has beyond a limit stays; nothing
// is added to it. It is for the host program, needs no principal, and checks no
// permission. Errors: NotFound.
func (s *Service) SetLimits(ctx context.Context, tenantID string, limits Limits) error {
	if !id.Valid(tenantID) {
		return problem.Missing("tenant")
	}
	text, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, tenantID); err != nil {
			return err
		}
		before, err := ownLimits(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		if _, err := tx.NewRaw("UPDATE ?schema.jet_tenant SET limits = ? WHERE id = ?", string(text), tenantID).Exec(ctx); err != nil {
			return fmt.Errorf("write the limits: %w", err)
		}
		return s.audit(ctx, tx, tenantEntry(tenantID, "tenant.limit", before, limits))
	})
}

// LimitsOf are the limits that hold for a tenant now. It is for the host program, and
// asks for no right. Errors: NotFound.
func (s *Service) LimitsOf(ctx context.Context, tenantID string) (Limits, error) {
	if !id.Valid(tenantID) {
		return Limits{}, problem.Missing("tenant")
	}
	return s.LimitsIn(ctx, s.db.DB, tenantID)
}

// LimitsIn is [Service.LimitsOf] on db, which may be a transaction.
func (s *Service) LimitsIn(ctx context.Context, db bun.IDB, tenantID string) (Limits, error) {
	own, err := ownLimits(ctx, db, tenantID)
	return own.or(s.cfg.Limits), err
}

func ownLimits(ctx context.Context, db bun.IDB, tenantID string) (l Limits, err error) {
	var text string
	err = db.NewRaw("SELECT limits FROM ?schema.jet_tenant WHERE id = ? AND deleted_at IS NULL", tenantID).Scan(ctx, &text)
	if store.IsMissing(err) {
		return l, problem.Missing("tenant")
	}
	if err != nil {
		return l, fmt.Errorf("read the limits: %w", err)
	}
	return l, json.Unmarshal([]byte(text), &l)
}

// Admit is nil when one more of a resource may come into a tenant in the transaction
// tx, which then adds it: until its end everybody else who would add something waits.
// It asks for no right. Errors: Conflict at the limit, NotFound for a tenant that was
// deleted.
func (s *Service) Admit(ctx context.Context, tx bun.IDB, tenantID string, r Resource) error {
	if err := s.lockTenant(ctx, tx, tenantID); err != nil {
		return err
	}
	limits, err := s.LimitsIn(ctx, tx, tenantID)
	if err != nil {
		return err
	}
	room, err := s.room(ctx, tx, tenantID, r, limits.Of(r))
	if err == nil && room <= 0 {
		err = overLimit(r, limits.Of(r))
	}
	return err
}

// RoomForRuns is how many more runs may be in flight in a tenant, and what the limit is:
// as many as are counted at this moment, without a lock. It asks for no right. db may
// be a transaction. Errors: NotFound.
func (s *Service) RoomForRuns(ctx context.Context, db bun.IDB, tenantID string) (room, limit int64, err error) {
	limits, err := s.LimitsIn(ctx, db, tenantID)
	if err != nil {
		return 0, 0, err
	}
	room, err = s.room(ctx, db, tenantID, RunsInFlight, limits.RunsInFlight)
	return room, limits.RunsInFlight, err
}

// room is how much more of a resource there may be.
func (s *Service) room(ctx context.Context, db bun.IDB, tenantID string, r Resource, limit int64) (int64, error) {
	if limit < 0 {
		return math.MaxInt64, nil
	}
	used, err := s.used(ctx, db, tenantID, r)
	return limit - used, err
}

func overLimit(r Resource, limit int64) error {
	what := string(r)
	if r == Members {
		what = "members and open invitations together"
	}
	return problem.Newf(problem.Conflict, "limit_"+string(r), "a workspace has at most %d %s", limit, what).
		Fix("delete what is not needed any more, or ask whoever runs the server for more")
}

// used is how much of a resource a tenant has.
func (s *Service) used(ctx context.Context, db bun.IDB, tenantID string, r Resource) (n int64, err error) {
	query, args := "", []any{tenantID}
	switch r {
	case Datasources:
		query = "SELECT count(*) FROM ?schema.jet_datasource WHERE tenant_id = ?"
	case FileBytes:
		query = "SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM ?schema.jet_file WHERE tenant_id = ?"
	case Members:
		query = `SELECT (SELECT count(*) FROM ?schema.jet_member WHERE tenant_id = ?)
			+ (SELECT count(*) FROM ?schema.jet_invitation WHERE tenant_id = ? AND expires_at > ?)`
		args = append(args, tenantID, s.clock.Now())
	case Queries:
		query = "SELECT count(*) FROM ?schema.jet_query WHERE tenant_id = ?"
	case RunsInFlight:
		query = "SELECT count(*) FROM ?schema.jet_run WHERE tenant_id = ? AND status IN ('queued', 'running', 'waiting')"
	case Schedules:
		query = "SELECT count(*) FROM ?schema.jet_schedule WHERE tenant_id = ?"
	case Webhooks:
		query = "SELECT count(*) FROM ?schema.jet_webhook WHERE tenant_id = ?"
	case Workflows:
		query = "SELECT count(*) FROM ?schema.jet_workflow WHERE tenant_id = ? AND deleted_at IS NULL"
	default:
		return 0, fmt.Errorf("nobody counts %q", r)
	}
	if err := db.NewRaw(query, args...).Scan(ctx, &n); err != nil {
		return 0, fmt.Errorf("count the %s: %w", r, err)
	}
	return n, nil
}
