package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/jetadmin/jetadmin/problem"
)

// reaches asks whether the user of a connection, by itself or by a role that it may
// take, has a right on one of the given tables, or owns their schema. A table is known
// by name and OID, which are the same on a physical replica, whatever the server is
// called. What views and functions of others show is in the hands of who grants them.
const reaches = `SELECT EXISTS (
	SELECT 1 FROM unnest($1::oid[], $2::text[]) AS fenced (id, name)
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) fenced.id AND c.relname OPERATOR(pg_catalog.=) fenced.name::name
	JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
	JOIN pg_catalog.pg_roles r ON pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
	WHERE pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
	OR r.oid OPERATOR(pg_catalog.=) s.nspowner -- who may drop it
	OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))`

// undefined are the SQLSTATEs of a server that speaks the protocol and has no such
// catalogue: it is not the platform's.
var undefined = map[string]bool{"42P01": true, "42883": true, "42704": true, "42703": true, "0A000": true}

// fence lets nobody in who could read or change the fenced tables (T88).
func (c connector) fence(ctx context.Context, conn *pgx.Conn) error {
	if c.Fenced == nil {
		return nil
	}
	tables, err := c.Fenced(ctx)
	if err != nil {
		return problem.New(problem.Unavailable, "fence_unknown", "it cannot be found out whether the datasource is the database of this application").
			Fix("try again when the database of the application answers").Because(err)
	}
	if len(tables) == 0 {
		return nil
	}
	var names []string
	var ids []uint32
	for name, id := range tables {
		names, ids = append(names, name), append(ids, id)
	}
	var reached bool
	err = conn.QueryRow(ctx, reaches, ids, names).Scan(&reached)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && undefined[e.Code] {
		return nil
	}
	if err == nil && reached {
		err = problem.New(problem.Upstream, "own_database", "the user can reach the tables of this application itself").
			Fix("use a user of the database that has no right on the application's tables, whose names begin with jet_")
	}
	return err
}
