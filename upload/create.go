package upload

import (
	"context"
	"io"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxName       = 200
	maxUnfinished = 16        // uploads of a tenant that come in at a time
	abandoned     = time.Hour // after which an upload that did not end is removed
)

// MaxDuration is how long an upload may take.
const MaxDuration = 10 * time.Minute

// NewFile is the input of [Service.Create].
type NewFile struct {
	Name    string    // 1 to 200 characters on one line
	Content io.Reader // read until io.EOF, to the limit of a file
}

// Create keeps a file. Its content is read as it comes, in pieces; there is no
// file until all of it is there and is of a type that datasources can read.
//
// Errors: Invalid for a name, an empty file or content of another type; TooLarge
// for a file above its limit or beyond what the tenant may keep; RateLimited
// while 16 uploads of the tenant are under way; Timeout after [MaxDuration].
func (s *Service) Create(ctx context.Context, in NewFile) (File, error) {
	who, err := s.cfg.Authorize(ctx, auth.FileCreate, "")
	if err != nil {
		return File{}, err
	}
	if err := checkName(in.Name); err != nil {
		return File{}, err
	}
	late := problem.Newf(problem.Timeout, "upload_timeout", "the upload took longer than its limit of %s", MaxDuration)
	ctx, cancel := context.WithTimeoutCause(ctx, MaxDuration, late)
	defer cancel()
	s.sweep(ctx, who.TenantID)
	row := &fileRow{ID: id.New(), TenantID: who.TenantID, Name: in.Name, CreatedBy: who.Actor(), CreatedAt: s.cfg.Clock.Now()}
	if err := s.begin(ctx, row); err != nil {
		return File{}, err
	}
	err = s.receive(ctx, row, in.Content)
	if err == nil {
		err = s.complete(ctx, row)
	}
	if err != nil {
		s.discard(ctx, row)
		if context.Cause(ctx) == error(late) {
			return File{}, late.Because(err)
		}
		return File{}, err
	}
	return row.view(), nil
}

func checkName(name string) error {
	var faults problem.Faults
	n := utf8.RuneCountInString(name)
	faults.Check(n > 0 && n <= maxName && text.OneLine(name), "name", "must have 1 to 200 characters on one line")
	return faults.Err("file_invalid", "the file is not valid")
}

// begin notes that a file comes in, unless too many do.
func (s *Service) begin(ctx context.Context, row *fileRow) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, row.TenantID); err != nil {
			return err
		}
		unfinished, err := tx.NewSelect().Model((*fileRow)(nil)).Where("tenant_id = ?", row.TenantID).Where("NOT ready").Count(ctx)
		if err != nil {
			return err
		}
		if unfinished >= maxUnfinished {
			e := problem.Newf(problem.RateLimited, "too_many_uploads", "no more than %d uploads at a time", maxUnfinished)
			e.RetryAfter = time.Minute
			return e
		}
		if err := s.checkRoom(ctx, tx, row.TenantID, 1); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
}

// lockTenant makes those who count the files of a tenant take turns.
func (s *Service) lockTenant(ctx context.Context, tx bun.IDB, tenantID string) error {
	var found string
	err := tx.NewRaw("SELECT id FROM ?schema.jet_tenant WHERE id = ? AND deleted_at IS NULL "+s.cfg.DB.Dialect.ForUpdate(), tenantID).Scan(ctx, &found)
	if store.IsMissing(err) {
		return problem.Missing("tenant")
	}
	return err
}

func (s *Service) checkRoom(ctx context.Context, tx bun.IDB, tenantID string, more int64) error {
	most, err := s.cfg.Limit(ctx, tx, tenantID)
	if err != nil || most < 0 {
		return err
	}
	var taken int64
	err = tx.NewSelect().Model((*fileRow)(nil)).ColumnExpr("COALESCE(SUM(size), 0)").Where("tenant_id = ?", tenantID).Scan(ctx, &taken)
	if err == nil && taken+more > most {
		err = problem.Newf(problem.TooLarge, "files_too_large", "the files of this workspace would take more than %d bytes together", most).
			Fix("delete files that are not needed any more")
	}
	return err
}

// receive stores the content and finds out what it is.
func (s *Service) receive(ctx context.Context, row *fileRow, content io.Reader) error {
	body := &body{r: content, left: s.cfg.MaxFile, limit: s.cfg.MaxFile}
	if err := s.cfg.Blobs.Put(ctx, row.TenantID, row.ID, body); err != nil {
		return err
	}
	row.Size = body.limit - body.left
	if row.Size == 0 {
		return unsuitable("is empty")
	}
	b, err := s.cfg.Blobs.Open(ctx, row.TenantID, row.ID)
	if err != nil {
		return err
	}
	defer b.Close()
	row.Type, err = typeOf(ctx, b)
	return err
}

func (s *Service) complete(ctx context.Context, row *fileRow) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, row.TenantID); err != nil {
			return err
		}
		if err := s.checkRoom(ctx, tx, row.TenantID, row.Size); err != nil {
			return err
		}
		n, err := store.Changed(tx.NewUpdate().Model(row).Set("type = ?", row.Type).Set("size = ?", row.Size).Set("ready = ?", true).
			Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Exec(ctx))
		if err != nil {
			return err
		}
		if n == 0 {
			return problem.New(problem.Conflict, "upload_abandoned", "the upload was given up").Fix("send the file again")
		}
		if err := s.cfg.Own(ctx, tx, "file", row.ID); err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, row.entry("file.create"))
	})
}

// sweep removes what uploads and deletions left that ended half-way.
func (s *Service) sweep(ctx context.Context, tenantID string) {
	var rows []fileRow
	err := s.cfg.DB.NewSelect().Model(&rows).Where("tenant_id = ?", tenantID).Where("NOT ready").
		Where("created_at < ?", s.cfg.Clock.Now().Add(-abandoned)).Limit(maxUnfinished).Scan(ctx)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "upload: look for unfinished files", "error", err)
	}
	for i := range rows {
		s.discard(ctx, &rows[i])
	}
}

// discard removes a file that nobody can see. What goes wrong is repeated by a
// later sweep.
func (s *Service) discard(ctx context.Context, row *fileRow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := s.cfg.Blobs.Delete(ctx, row.TenantID, row.ID)
	if err == nil {
		err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
			_, err := tx.NewDelete().Model((*fileRow)(nil)).Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).Where("NOT ready").Exec(ctx)
			return err
		})
	}
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "upload: remove a file", "file", row.ID, "error", err)
	}
}

// body reads no more than a limit.
type body struct {
	r           io.Reader
	left, limit int64
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return 0, problem.Newf(problem.TooLarge, "file_too_large", "the file is larger than %d bytes", b.limit)
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF { // not as it is: an io.ErrUnexpectedEOF would pass for the end
		err = problem.New(problem.Invalid, "content_unreadable", "the content could not be read to its end").Fix("send the file again").Because(err)
	}
	return n, err
}
