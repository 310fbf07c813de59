package postgres

import (
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
)

// rows reads an answer in text format.
type rows struct {
	session *session
	reader  answer
	bound   template.Bound
	types   *pgtype.Map
	columns []datasource.Column
	oids    []uint32
	row     []any
	tag     pgconn.CommandTag
	ended   bool   // the server has sent all
	done    func() // ends the transaction, once
}

func newRows(s *session, reader answer, bound template.Bound, done func()) *rows {
	fields := reader.FieldDescriptions()
	r := &rows{
		session: s, reader: reader, bound: bound, types: s.conn.Conn().TypeMap(), done: done,
		columns: make([]datasource.Column, len(fields)), oids: make([]uint32, len(fields)), row: make([]any, len(fields)),
	}
	for i, f := range fields {
		column := datasource.Column{Name: f.Name, Type: columnType(f.DataTypeOID)}
		if t, ok := r.types.TypeForOID(f.DataTypeOID); ok {
			column.DatabaseType = t.Name
			if _, array := t.Codec.(*pgtype.ArrayCodec); array {
				column.Type = datasource.ColumnArray
			}
		}
		r.columns[i], r.oids[i] = column, f.DataTypeOID
	}
	return r
}

func (r *rows) Columns() []datasource.Column { return r.columns }

func (r *rows) Next() ([]any, error) {
	if r.ended || !r.reader.NextRow() {
		if err := r.finish(); err != nil {
			return nil, queryError(err, r.bound)
		}
		return nil, io.EOF
	}
	for i, raw := range r.reader.Values() {
		r.row[i] = r.value(i, raw)
	}
	return r.row, nil
}

func (r *rows) value(i int, raw []byte) any {
	if raw == nil {
		return nil
	}
	if r.columns[i].Type == datasource.ColumnArray {
		if t, ok := r.types.TypeForOID(r.oids[i]); ok {
			return list(r.types, r.oids[i], t.Codec.(*pgtype.ArrayCodec).ElementType.OID, raw)
		}
	}
	return scalar(r.columns[i].Type, string(raw))
}

func (r *rows) finish() error {
	if r.ended {
		return nil
	}
	r.ended = true
	var err error
	r.tag, err = r.reader.Close()
	return err
}

// Close stops the server when there is more to come, and ends the transaction.
func (r *rows) Close() error {
	if !r.ended {
		if r.session.stop() != nil {
			_ = r.session.pg.Conn().Close() // then at least nothing more is read
		}
		_ = r.finish() // says that the statement was cancelled
	}
	if r.done != nil {
		r.done()
		r.done = nil
	}
	return nil
}
