package datasource

import (
	"context"
	"errors"
	"io"
	"time"
)

// flow moves rows from a connection to a writer.
type flow struct {
	Streamed
	to         RowWriter
	sight      *sight      // nil = all rows
	most       int         // rows
	impatience *time.Timer // ends the wait for the first row
	refused    error       // what the writer returned
}

func (f *flow) run(ctx context.Context, at visit, st Statement) error {
	started := time.Now()
	rows, err := at.conn.Query(ctx, st)
	if err != nil {
		return err
	}
	rows = &checked{Rows: rows}
	at.answered()
	executed := time.Now()
	err = f.seen(ctx, rows, st.MaxRows)
	if closing := rows.Close(); err == nil && !f.Truncated && f.refused == nil {
		err = closing
	}
	f.Timings.Execute, f.Timings.Fetch = milliseconds(executed.Sub(started)), milliseconds(time.Since(executed))
	return err
}

// seen pours what the caller may see.
func (f *flow) seen(ctx context.Context, rows Rows, limit int) error {
	if f.sight == nil {
		return f.pour(rows)
	}
	visible := f.sight.over(ctx, rows, limit)
	err := f.pour(visible)
	f.Truncated = f.Truncated || visible.cut
	return err
}

// pour reads the first row before anything is written, so that what fails at once
// can still be told in another way.
func (f *flow) pour(rows Rows) error {
	row, err := rows.Next()
	if err != nil && err != io.EOF {
		return err
	}
	f.impatience.Stop()
	f.refused = f.to.Begin(rows.Columns())
	for size := int64(0); err == nil && f.refused == nil; row, err = rows.Next() {
		if size += weight(row); f.RowCount == int64(f.most) || size > MaxStreamBytes {
			f.Truncated = true
			return nil
		}
		if f.refused = f.to.Row(row); f.refused != nil {
			break
		}
		f.RowCount++
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// weight is about what values take as text, in bytes.
func weight(values []any) (n int64) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			n += int64(len(v)) + 3
		case []byte:
			n += int64(len(v))*4/3 + 3
		case JSON:
			n += int64(len(v)) + 3
		case Decimal:
			n += int64(len(v)) + 3
		case []any:
			n += weight(v) + 3
		default:
			n += 12
		}
	}
	return n
}
