package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// joined is a bun.IDB on a transaction of the host. Every method of bun.IDB that
// sends something is given here: an inherited one would leave the transaction.
type joined struct {
	*bun.DB
	tx *sql.Tx
}

func (j joined) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return j.tx.QueryContext(ctx, j.format(query, args))
}

func (j joined) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return j.tx.ExecContext(ctx, j.format(query, args))
}

func (j joined) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return j.tx.QueryRowContext(ctx, j.format(query, args))
}

func (j joined) format(query string, args []any) string {
	return j.DB.QueryGen().FormatQuery(query, args...)
}

func (j joined) NewValues(model any) *bun.ValuesQuery { return j.DB.NewValues(model).Conn(j.tx) }
func (j joined) NewSelect() *bun.SelectQuery          { return j.DB.NewSelect().Conn(j.tx) }
func (j joined) NewInsert() *bun.InsertQuery          { return j.DB.NewInsert().Conn(j.tx) }
func (j joined) NewUpdate() *bun.UpdateQuery          { return j.DB.NewUpdate().Conn(j.tx) }
func (j joined) NewDelete() *bun.DeleteQuery          { return j.DB.NewDelete().Conn(j.tx) }
func (j joined) NewMerge() *bun.MergeQuery            { return j.DB.NewMerge().Conn(j.tx) }
func (j joined) NewRaw(q string, a ...any) *bun.RawQuery {
	return j.DB.NewRaw(q, a...).Conn(j.tx)
}

func (j joined) NewCreateTable() *bun.CreateTableQuery     { return j.DB.NewCreateTable().Conn(j.tx) }
func (j joined) NewDropTable() *bun.DropTableQuery         { return j.DB.NewDropTable().Conn(j.tx) }
func (j joined) NewCreateIndex() *bun.CreateIndexQuery     { return j.DB.NewCreateIndex().Conn(j.tx) }
func (j joined) NewDropIndex() *bun.DropIndexQuery         { return j.DB.NewDropIndex().Conn(j.tx) }
func (j joined) NewTruncateTable() *bun.TruncateTableQuery { return j.DB.NewTruncateTable().Conn(j.tx) }
func (j joined) NewAddColumn() *bun.AddColumnQuery         { return j.DB.NewAddColumn().Conn(j.tx) }
func (j joined) NewDropColumn() *bun.DropColumnQuery       { return j.DB.NewDropColumn().Conn(j.tx) }

var errNested = errors.New("a transaction of the host cannot begin another")

func (j joined) BeginTx(context.Context, *sql.TxOptions) (bun.Tx, error) { return bun.Tx{}, errNested }

func (j joined) RunInTx(context.Context, *sql.TxOptions, func(context.Context, bun.Tx) error) error {
	return errNested
}
