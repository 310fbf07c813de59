package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// pieceSize bounds what an upload and a reader hold in memory: a few of it.
const pieceSize = 256 << 10

// pieces are the default [BlobStore]: rows of the platform's database. All
// processes share them, a backup of the database has them, and they go with
// their tenant.
type pieces struct{ db *store.DB }

type pieceRow struct {
	bun.BaseModel `bun:"table:?schema.jet_file_piece,alias:p"`

	TenantID string
	FileID   string `bun:",pk"`
	Piece    int64  `bun:",pk"`
	Data     []byte
}

// Put writes each piece in a transaction of its own: one around all of them would
// keep others from writing for as long as a slow sender takes.
func (p pieces) Put(ctx context.Context, tenantID, id string, content io.Reader) error {
	buffer := make([]byte, pieceSize)
	for n := int64(0); ; n++ {
		size, err := io.ReadFull(content, buffer)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		if size > 0 {
			row := &pieceRow{TenantID: tenantID, FileID: id, Piece: n, Data: buffer[:size]}
			err := p.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
				_, err := tx.NewInsert().Model(row).Exec(ctx)
				return err
			})
			if err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

func (p pieces) Open(ctx context.Context, tenantID, id string) (Blob, error) {
	var found struct{ Pieces, Size int64 }
	length := "octet_length(data)"
	if p.db.Dialect == store.SQLite {
		length = "length(data)"
	}
	err := p.db.NewSelect().Model((*pieceRow)(nil)).ColumnExpr("COUNT(*) AS pieces").ColumnExpr("COALESCE(SUM("+length+"), 0) AS size").
		Where("tenant_id = ?", tenantID).Where("file_id = ?", id).Scan(ctx, &found)
	if err == nil && found.Pieces == 0 {
		err = problem.Missing("file")
	}
	if store.IsMissing(err) {
		err = problem.Missing("file").Because(err)
	}
	if err != nil {
		return nil, err
	}
	return &blob{ctx: ctx, db: p.db, tenantID: tenantID, id: id, size: found.Size, at: -1}, nil
}

func (p pieces) Delete(ctx context.Context, tenantID, id string) error {
	return p.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewDelete().Model((*pieceRow)(nil)).Where("tenant_id = ?", tenantID).Where("file_id = ?", id).Exec(ctx)
		return err
	})
}

// blob reads pieces, and keeps the one that it read last.
type blob struct {
	ctx      context.Context
	db       *store.DB
	tenantID string
	id       string
	size     int64

	mu   sync.Mutex
	at   int64
	data []byte
}

func (b *blob) Size() int64  { return b.size }
func (b *blob) Close() error { return nil }

func (b *blob) ReadAt(into []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read before the beginning of a file")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n < len(into) {
		if off >= b.size {
			return n, io.EOF
		}
		if err := b.fetch(off / pieceSize); err != nil {
			return n, err
		}
		got := copy(into[n:], b.data[min(off%pieceSize, int64(len(b.data))):])
		if got == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n, off = n+got, off+int64(got)
	}
	return n, nil
}

func (b *blob) fetch(piece int64) error {
	if b.at == piece {
		return nil
	}
	var data []byte
	err := b.db.NewSelect().Model((*pieceRow)(nil)).Column("data").Where("tenant_id = ?", b.tenantID).
		Where("file_id = ?", b.id).Where("piece = ?", piece).Scan(b.ctx, &data)
	if store.IsMissing(err) { // deleted meanwhile
		return problem.Missing("file").Because(err)
	}
	if err != nil {
		return err
	}
	b.at, b.data = piece, bytes.Clone(data)
	return nil
}
