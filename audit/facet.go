package audit

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// Facets tell what a part of the record consists of, for choosing a [Filter].
type Facets struct {
	Events      int64   `json:"events"`  // how many were counted
	Partial     bool    `json:"partial"` // there are more: the newest were counted
	Actions     []Facet `json:"actions"`
	Actors      []Facet `json:"actors"`
	ObjectTypes []Facet `json:"objectTypes"`
}

// Facet is a value and in how many events it is.
type Facet struct {
	Value  string `json:"value"`
	Events int64  `json:"events"`
}

const (
	facetEvents = 50_000 // that are counted at most
	facetValues = 50     // of a field, the most frequent
)

// Facets counts the values in the events of the caller's tenant that a filter
// picks, in the newest 50,000 of them, without those about things that are denied to
// him.
//
// Errors: those of Config.Authorize; Invalid for a filter that makes no sense.
func (l *Log) Facets(ctx context.Context, f Filter) (Facets, error) {
	tenantID, err := l.ready(ctx, f)
	if err != nil {
		return Facets{}, err
	}
	visible, err := l.undenied(ctx, "a.object_type", "a.object_id")
	if err != nil {
		return Facets{}, err
	}
	facets := Facets{}
	for column, values := range map[string]*[]Facet{"action": &facets.Actions, "actor": &facets.Actors, "object_type": &facets.ObjectTypes} {
		*values = []Facet{}
		err := l.db.NewSelect().TableExpr("(?) AS f", l.counted(tenantID, f, visible)).
			ColumnExpr("? AS value, count(*) AS events", bun.Ident(column)).
			GroupExpr("?", bun.Ident(column)).OrderExpr("count(*) DESC, ?", bun.Ident(column)).Limit(facetValues).Scan(ctx, values)
		if err != nil {
			return Facets{}, fmt.Errorf("count the audit record: %w", err)
		}
	}
	err = l.db.NewSelect().TableExpr("(?) AS f", l.counted(tenantID, f, visible)).ColumnExpr("count(*)").Scan(ctx, &facets.Events)
	if err != nil {
		return Facets{}, fmt.Errorf("count the audit record: %w", err)
	}
	facets.Partial = facets.Events == facetEvents
	return facets, nil
}

func (l *Log) counted(tenantID string, f Filter, visible func(*bun.SelectQuery) *bun.SelectQuery) *bun.SelectQuery {
	return l.db.NewSelect().Model((*eventRow)(nil)).Column("action", "actor", "object_type").
		Where("a.tenant_id = ?", tenantID).Apply(l.kept(tenantID), f.narrow, visible).OrderExpr("a.seq DESC").Limit(facetEvents)
}
