package upload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// File is an uploaded file. It never changes.
type File struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"` // as its sender called it; not unique, and no path
	Type      string    `json:"type"` // media type, by its content
	Size      int64     `json:"size"` // in bytes
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
}

type fileRow struct {
	bun.BaseModel `bun:"table:?schema.jet_file,alias:f"`

	ID        string `bun:",pk"`
	TenantID  string
	Name      string
	Type      string
	Size      int64
	Ready     bool // false while its content comes in, and while it goes
	CreatedBy string
	CreatedAt time.Time
}

func (r *fileRow) view() File {
	return File{ID: r.ID, Name: r.Name, Type: r.Type, Size: r.Size, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt}
}

func (r *fileRow) entry(action string) audit.Entry {
	return audit.Entry{
		TenantID: r.TenantID, Action: action, ObjectType: "file", ObjectID: r.ID,
		Detail: map[string]any{"name": r.Name, "type": r.Type, "size": r.Size},
	}
}

// Files returns the files of the tenant, newest first.
func (s *Service) Files(ctx context.Context, r page.Request) (page.Page[File], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.FileList, "id")
	if err != nil {
		return page.Page[File]{}, err
	}
	return page.List[fileRow, File]{
		Key:   func(f File) string { return f.ID },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Where("ready").Apply(visible),
		Scope: []string{"files", who.TenantID},
		View:  page.Plain((*fileRow).view),
	}.Read(ctx, s.cfg.Pages, r)
}

// File returns one file.
func (s *Service) File(ctx context.Context, id string) (File, error) {
	who, err := s.cfg.Authorize(ctx, auth.FileRead, id)
	if err != nil {
		return File{}, err
	}
	row, err := find(ctx, s.cfg.DB.DB, who.TenantID, id)
	if err != nil {
		return File{}, err
	}
	return row.view(), nil
}

// Delete removes a file. What Config.UsedBy names is a Conflict.
func (s *Service) Delete(ctx context.Context, id string) error {
	who, err := s.cfg.Authorize(ctx, auth.FileDelete, id)
	if err != nil {
		return err
	}
	row, err := find(ctx, s.cfg.DB.DB, who.TenantID, id)
	if err != nil {
		return err
	}
	if err := s.unused(ctx, id); err != nil {
		return err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if row, err = find(ctx, tx, who.TenantID, id); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Model(row).Set("ready = ?", false).Where("tenant_id = ?", who.TenantID).Where("id = ?", id).Exec(ctx)
		if err != nil {
			return err
		}
		return s.cfg.Audit(ctx, tx, row.entry("file.delete"))
	})
	if err != nil {
		return err
	}
	s.discard(ctx, row)
	return nil
}

// unused is nil when nobody needs the file. Whoever begins to use it in between
// finds it gone when it is read.
func (s *Service) unused(ctx context.Context, id string) error {
	users, err := s.cfg.UsedBy(ctx, id)
	if err != nil || len(users) == 0 {
		return err
	}
	const shown = 5
	named := strings.Join(users[:min(len(users), shown)], ", ")
	if more := len(users) - shown; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return problem.Newf(problem.Conflict, "file_in_use", "the file is used by %s", named).Fix("delete them, or give them another file")
}

// Open gives the content of a file of a tenant to a connector, whose caller has
// been authorised for the query. A file that is not there is NotFound.
func (s *Service) Open(ctx context.Context, tenantID, id string) (Blob, error) {
	if _, err := find(ctx, s.cfg.DB.DB, tenantID, id); err != nil {
		return nil, err
	}
	return s.cfg.Blobs.Open(ctx, tenantID, id)
}

// Exists reports whether a tenant has a file, for whoever saves a reference to it
// in the transaction db.
func (s *Service) Exists(ctx context.Context, db bun.IDB, tenantID, id string) (bool, error) {
	_, err := find(ctx, db, tenantID, id)
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func find(ctx context.Context, db bun.IDB, tenantID, id string) (*fileRow, error) {
	row := new(fileRow)
	err := db.NewSelect().Model(row).Where("tenant_id = ?", tenantID).Where("id = ?", id).Where("ready").Scan(ctx)
	if store.IsMissing(err) {
		return nil, problem.Missing("file")
	}
	return row, err
}
