package datasource

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	schemaTTL          = 5 * time.Minute
	schemaBytes        = 32 << 20 // of all schemas that are kept in a process
	refreshesPerMinute = 20       // of a tenant
)

// Schema reads what a datasource holds: tables, columns and keys. What was read
// within five minutes is not read again, unless the datasource was changed. It
// needs datasource.read. A type that does not know is a Conflict, see [Abilities].
func (s *Service) Schema(ctx context.Context, id string) (Schema, error) {
	return s.schema(ctx, id, false)
}

// RefreshSchema is [Service.Schema] that reads again, whoever is reading already, at most 20 times a minute
// for a tenant (RateLimited).
func (s *Service) RefreshSchema(ctx context.Context, id string) (Schema, error) {
	return s.schema(ctx, id, true)
}

func (s *Service) schema(ctx context.Context, datasourceID string, fresh bool) (Schema, error) {
	who, err := s.authorize(ctx, auth.DatasourceRead, datasourceID)
	if err != nil {
		return Schema{}, err
	}
	row, err := findDatasource(ctx, s.db.DB, who.TenantID, datasourceID)
	if err != nil {
		return Schema{}, err
	}
	key := fmt.Sprintf("%s %d", row.ID, row.Version)
	if fresh {
		err = s.refreshes.Take(ctx, who.TenantID, s.cfg.Clock.Now())
	} else if kept, ok := s.schemas.get(key); ok && time.Now().Before(kept.until) {
		return kept.schema, nil
	}
	if err != nil {
		return Schema{}, err
	}
	reading := key
	if fresh { // one that is under way may have read what was there before
		reading += " " + id.New()
	}
	schema, err := s.readings.join(ctx, sha256.Sum256([]byte(reading)), func(ctx context.Context) (Schema, error) {
		began := time.Now()
		schema, err := s.introspect(ctx, row)
		if kept, ok := s.schemas.get(key); err == nil && (!ok || kept.began.Before(began)) {
			s.schemas.put(key, &keptSchema{schema: schema, began: began, until: time.Now().Add(schemaTTL), tenant: row.TenantID, ds: row.ID}, schema.size())
		}
		return schema, err
	})
	return schema, s.shown(ctx, err)
}

// keptSchema is a schema with the time until which it is good.
type keptSchema struct {
	schema Schema
	began  time.Time
	until  time.Time
	tenant string
	ds     string
}

func (s *Service) introspect(ctx context.Context, row *datasourceRow) (Schema, error) {
	ctx, cancel := s.limit(auth.WithoutPrincipal(ctx), MaxTimeout, late(MaxTimeout))
	defer cancel()
	var schema Schema
	err := s.inRoom(ctx, row, func(at visit) (err error) {
		introspector, ok := at.conn.(Introspector)
		if !ok {
			return problem.New(problem.Conflict, "schema_unsupported", "this type of datasource has no schema")
		}
		schema, err = introspector.Introspect(ctx)
		return err
	})
	if err != nil {
		return Schema{}, caused(ctx, err)
	}
	if schema.Tables == nil {
		schema.Tables = []Table{}
	}
	schema.ReadAt = s.cfg.Clock.Now()
	return schema, nil
}

// size is about what a schema takes in memory.
func (s *Schema) size() int64 {
	size := int64(0)
	for _, t := range s.Tables {
		size += 150 + int64(len(t.Schema)+len(t.Name)) + int64(200*len(t.ForeignKeys))
		for _, c := range t.Columns {
			size += 40 + int64(len(c.Name)+len(c.Type))
		}
	}
	return size
}
