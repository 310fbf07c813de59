package upload_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/upload"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// world is a service with two tenants.
type world struct {
	*upload.Service
	db   *store.DB
	a, b context.Context
	cfg  upload.Config

	mu      sync.Mutex
	now     time.Time
	entries []audit.Entry
	refuse  error    // what Audit returns
	using   []string // what UsedBy returns
}

func setup(t testing.TB, db *store.DB, adjust ...func(*upload.Config)) *world {
	t.Helper()
	w := &world{db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	user := id.New()
	exec(t, db, "INSERT INTO ?schema.jet_user (id, issuer, subject, email, name, disabled, created_at, updated_at, version) VALUES (?, 'test', ?, '', '', false, ?, ?, 1)", user, user, time.Now(), time.Now())
	for _, ctx := range []*context.Context{&w.a, &w.b} {
		tenant := id.New()
		exec(t, db, "INSERT INTO ?schema.jet_tenant (id, name, created_by, policy_version, created_at, updated_at, version) VALUES (?, 'test', ?, 1, ?, ?, 1)", tenant, user, time.Now(), time.Now())
		*ctx = auth.NewContext(t.Context(), auth.ServicePrincipal(tenant, "test", auth.Grant{Permission: "file.*"}))
	}
	w.cfg = upload.Config{
		Audit: w.record, Authorize: authorize, Clock: w.clock, DB: db, MaxFile: 1 << 20, MaxTenant: 3 << 20, Pages: page.NewSigner([]byte("test")),
		UsedBy: func(context.Context, string) ([]string, error) { return w.using, nil },
	}
	for _, change := range adjust {
		change(&w.cfg)
	}
	var err error
	if w.Service, err = upload.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func exec(t testing.TB, db *store.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.NewRaw(statement, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func authorize(ctx context.Context, p auth.Permission, _ string) (*auth.Principal, error) {
	who := auth.FromContext(ctx)
	if who == nil || p.Resource() != "file" {
		return nil, problem.New(problem.Forbidden, "forbidden", "no")
	}
	return who, nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) record(_ context.Context, _ bun.IDB, e audit.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = append(w.entries, e)
	return w.refuse
}

func (w *world) create(t testing.TB, ctx context.Context, content string) upload.File {
	t.Helper()
	f, err := w.Create(ctx, upload.NewFile{Name: "orders.csv", Content: strings.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// counts are the rows of files and of their pieces, all tenants'.
func (w *world) counts(t testing.TB) (files, pieces int) {
	t.Helper()
	err := w.db.NewRaw("SELECT (SELECT COUNT(*) FROM ?schema.jet_file), (SELECT COUNT(*) FROM ?schema.jet_file_piece) /* across tenants: a test counts what is left */").Scan(t.Context(), &files, &pieces)
	if err != nil {
		t.Fatal(err)
	}
	return files, pieces
}

func tenantOf(ctx context.Context) string { return auth.FromContext(ctx).TenantID }

func TestAFileIsKeptReadAndDeleted(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		content := strings.Repeat("1,two,3\n", 100_000) // more than three pieces
		f := w.create(t, w.a, content)
		if f.Name != "orders.csv" || f.Type != upload.TypeText || f.Size != int64(len(content)) || !f.CreatedAt.Equal(w.now) || f.CreatedBy == "" {
			t.Errorf("got %+v", f)
		}
		if got, err := w.File(w.a, f.ID); err != nil || !same(got, f) {
			t.Errorf("got %+v, %v", got, err)
		}
		blob, err := w.Open(w.a, tenantOf(w.a), f.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.NewSectionReader(blob, 0, blob.Size()), []byte(content)); err != nil {
			t.Error(err)
		}
		if n, err := blob.ReadAt(make([]byte, 10), blob.Size()-3); n != 3 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if list, err := w.Files(w.a, page.Request{Limit: 10}); err != nil || len(list.Items) != 1 || !same(list.Items[0], f) {
			t.Errorf("got %+v, %v", list, err)
		}
		if err := w.Delete(w.a, f.ID); err != nil {
			t.Fatal(err)
		}
		if files, pieces := w.counts(t); files != 0 || pieces != 0 {
			t.Errorf("%d files and %d pieces are left", files, pieces)
		}
		if _, err := blob.ReadAt(make([]byte, 10), 0); !problem.Is(err, problem.NotFound) {
			t.Errorf("reading what is deleted: %v", err)
		}
		if len(w.entries) != 2 || w.entries[0].Action != "file.create" || w.entries[1].Action != "file.delete" || w.entries[0].ObjectID != f.ID {
			t.Errorf("recorded %+v", w.entries)
		}
	})
}

func same(f, g upload.File) bool {
	at := f.CreatedAt.Equal(g.CreatedAt)
	f.CreatedAt, g.CreatedAt = time.Time{}, time.Time{}
	return at && f == g
}

func TestT1_FilesOfAnotherTenantAreNotThere(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		f := w.create(t, w.a, "a,b\n1,2\n")
		for _, fileID := range []string{f.ID, id.New(), "x", "", "../" + f.ID, strings.ToUpper(f.ID)} {
			_, err := w.File(w.b, fileID)
			_, opening := w.Open(w.b, tenantOf(w.b), fileID)
			for what, err := range map[string]error{"read": err, "open": opening, "delete": w.Delete(w.b, fileID)} {
				if !problem.Is(err, problem.NotFound) {
					t.Errorf("%s %q: %v", what, fileID, err)
				}
			}
		}
		if list, err := w.Files(w.b, page.Request{Limit: 10}); err != nil || len(list.Items) != 0 {
			t.Errorf("got %+v, %v", list, err)
		}
		if _, err := w.File(w.a, f.ID); err != nil {
			t.Error(err)
		}
	})
}

// broken gives some content and then fails.
func broken(content string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(content), iotest.ErrReader(err))
}

// What does not become a file leaves nothing behind.
func TestFaultsLeaveNothing(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		long := strings.Repeat("x", 1<<20)
		for _, c := range []struct {
			what, name string
			content    io.Reader
			want       problem.Kind
		}{
			{"no name", "", strings.NewReader("a"), problem.Invalid},
			{"two lines", "a\nb", strings.NewReader("a"), problem.Invalid},
			{"a long name", strings.Repeat("ä", 201), strings.NewReader("a"), problem.Invalid},
			{"nothing in it", "a", strings.NewReader(""), problem.Invalid},
			{"one byte too many", "a", strings.NewReader(long + "x"), problem.TooLarge},
			{"a sender that goes", "a", broken(long[:600_000], io.ErrUnexpectedEOF), problem.Invalid},
			{"a sender that fails", "a", broken("a", errors.New("reset")), problem.Invalid},
			{"bytes", "a.csv", strings.NewReader("a,b\x00c"), problem.Invalid},
			{"a program", "a.csv", strings.NewReader("\x7fELF\x02\x01\x01\x00"), problem.Invalid},
			{"a document", "a.csv", strings.NewReader("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\x01"), problem.Invalid},
			{"an archive", "a.xlsx", bytes.NewReader(archive(t, "a.txt")), problem.Invalid},
			{"half an archive", "a.xlsx", bytes.NewReader(archive(t, "xl/workbook.xml")[:60]), problem.Invalid},
		} {
			_, err := w.Create(w.a, upload.NewFile{Name: c.name, Content: c.content})
			if !problem.Is(err, c.want) {
				t.Errorf("%s: %v", c.what, err)
			}
		}
		if f, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader(long)}); err != nil || f.Size != 1<<20 {
			t.Errorf("a file of exactly the limit: %+v, %v", f, err)
		}
		if files, _ := w.counts(t); files != 1 {
			t.Errorf("%d files are left", files)
		}
		w.refuse = errors.New("no")
		if _, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader("a")}); !errors.Is(err, w.refuse) {
			t.Errorf("without a record: %v", err)
		}
		if files, _ := w.counts(t); files != 1 {
			t.Errorf("%d files are left", files)
		}
	})
}

func archive(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, "<x/>")
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// T111: the name and its end say nothing.
func TestT111_TheContentDecidesTheType(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	var workbook bytes.Buffer
	z := zip.NewWriter(&workbook)
	for name, text := range map[string]string{
		"_rels/.rels":                `<Relationships><Relationship Id="1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="a.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook xmlns:r="x/relationships"><sheets><sheet name="A" r:id="r1"/></sheets></workbook>`,
		"xl/a.xml":                   `<worksheet><sheetData/></worksheet>`,
	} {
		f, _ := z.Create(name)
		_, _ = io.WriteString(f, text)
	}
	_ = z.Close()
	for _, c := range []struct{ name, content, want string }{
		{"a.xlsx", "a,b\n1,2\n", upload.TypeText},
		{"a.html", "<script>alert(1)</script>", upload.TypeText},
		{"a.csv", "n\xe4me;1\n", upload.TypeText},
		{"a.csv", "\xff\xfea\x00", upload.TypeText},
		{"a.csv", strings.Repeat("x", 64<<10-1) + "ä", upload.TypeText},
		{"a.csv", workbook.String(), upload.TypeExcel},
	} {
		f, err := w.Create(w.a, upload.NewFile{Name: c.name, Content: strings.NewReader(c.content)})
		if err != nil || f.Type != c.want {
			t.Errorf("%s %.20q: %+v, %v", c.name, c.content, f, err)
		}
	}
}

// T110: an archive with as many entries as fit is refused before they are all read.
func TestT110_AnArchiveOfAMillionEntries(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t), func(c *upload.Config) { c.MaxFile, c.MaxTenant = 64<<20, 64<<20 })
	entry := make([]byte, 46)
	binary.LittleEndian.PutUint32(entry, 0x02014b50)
	directory := bytes.Repeat(entry, 1_000_000)
	end := make([]byte, 22)
	binary.LittleEndian.PutUint32(end, 0x06054b50)
	binary.LittleEndian.PutUint16(end[8:], 16960) // 1000000 & 0xffff
	binary.LittleEndian.PutUint16(end[10:], 16960)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(directory)))
	binary.LittleEndian.PutUint32(end[16:], 4)
	began := time.Now()
	_, err := w.Create(w.a, upload.NewFile{Name: "a.xlsx", Content: io.MultiReader(strings.NewReader("PK\x03\x04"), bytes.NewReader(directory), bytes.NewReader(end))})
	if !problem.Is(err, problem.Invalid) {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

func TestATenantHasItsLimits(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		full := strings.Repeat("x", 1<<20)
		for range 2 {
			w.create(t, w.a, full)
		}
		last := w.create(t, w.a, full)
		if _, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader("x")}); !problem.Is(err, problem.TooLarge) {
			t.Errorf("beyond what a tenant may keep: %v", err)
		}
		w.create(t, w.b, "x")
		if err := w.Delete(w.a, last.ID); err != nil {
			t.Fatal(err)
		}
		w.create(t, w.a, "x")
		if files, _ := w.counts(t); files != 4 {
			t.Errorf("%d files", files)
		}
	})
}

// Those that come in at the same time are counted one behind the other.
func TestUploadsAtTheSameTimeStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		content := make([]byte, 400_000)
		_, _ = rand.Read(content)
		text := fmt.Sprintf("%x", content)[:700_000]
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				_, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader(text)})
				if err != nil && !problem.Is(err, problem.TooLarge) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		list, err := w.Files(w.a, page.Request{Limit: 100})
		if err != nil || len(list.Items) != 4 {
			t.Errorf("%d files of 700000 bytes, %v", len(list.Items), err)
		}
		if files, _ := w.counts(t); files != 4 {
			t.Errorf("%d files with the unfinished ones", files)
		}
	})
}

// gate is content that does not come until it is let in.
type gate chan struct{}

func (g gate) Read([]byte) (int, error) { <-g; return 0, io.EOF }

func TestTooManyUploadsAtATime(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	g := make(gate)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			_, _ = w.Create(w.a, upload.NewFile{Name: "a", Content: io.MultiReader(strings.NewReader("x"), g)})
		})
	}
	for files := 0; files < 16; files, _ = w.counts(t) {
		if t.Context().Err() != nil {
			t.Fatal("the uploads never begin")
		}
	}
	_, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader("x")})
	if !problem.Is(err, problem.RateLimited) || problem.Of(err).RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
	w.create(t, w.b, "x") // another tenant
	close(g)
	group.Wait()
}

// What a process left that died in the middle is removed an hour later.
func TestUnfinishedFilesAreSwept(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setup(t, db)
		dead := id.New()
		exec(t, db, "INSERT INTO ?schema.jet_file (id, tenant_id, name, type, size, ready, created_by, created_at) VALUES (?, ?, 'x', '', 0, false, '', ?)", dead, tenantOf(w.a), w.now)
		exec(t, db, "INSERT INTO ?schema.jet_file_piece (tenant_id, file_id, piece, data) VALUES (?, ?, 0, ?)", tenantOf(w.a), dead, []byte("x"))
		if _, err := w.File(w.a, dead); !problem.Is(err, problem.NotFound) {
			t.Errorf("an unfinished file can be read: %v", err)
		}
		w.create(t, w.a, "x")
		if files, _ := w.counts(t); files != 2 {
			t.Fatalf("%d files", files)
		}
		w.mu.Lock()
		w.now = w.now.Add(time.Hour + time.Second)
		w.mu.Unlock()
		w.create(t, w.a, "x")
		if files, pieces := w.counts(t); files != 2 || pieces != 2 {
			t.Errorf("%d files, %d pieces", files, pieces)
		}
	})
}

func TestAFileInUseStays(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	f := w.create(t, w.a, "x")
	w.using = []string{"a", "b", "c", "d", "e", "f", "g"}
	err := w.Delete(w.a, f.ID)
	if !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), "e and 2 more") {
		t.Errorf("got %v", err)
	}
	if _, err := w.File(w.a, f.ID); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := setup(t, testdb.SQLite(t))
	for name, change := range map[string]func(*upload.Config){
		"Audit": func(c *upload.Config) { c.Audit = nil }, "Authorize": func(c *upload.Config) { c.Authorize = nil }, "DB": func(c *upload.Config) { c.DB = nil },
		"MaxFile": func(c *upload.Config) { c.MaxFile = -1 }, "MaxTenant": func(c *upload.Config) { c.MaxTenant = -1 }, "Pages": func(c *upload.Config) { c.Pages = nil },
	} {
		cfg := w.cfg
		change(&cfg)
		if _, err := upload.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// shelf is a store of a host, that can fail.
type shelf struct {
	mu      sync.Mutex
	blobs   map[string][]byte
	failure error
}

type held struct{ *bytes.Reader }

func (held) Close() error { return nil }

func (s *shelf) Put(_ context.Context, tenantID, id string, content io.Reader) error {
	b, err := io.ReadAll(content)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[tenantID+id] = b
	return errors.Join(err, s.failure)
}

func (s *shelf) Open(_ context.Context, tenantID, id string) (upload.Blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[tenantID+id]
	if !ok {
		return nil, problem.Missing("file")
	}
	return held{bytes.NewReader(b)}, s.failure
}

func (s *shelf) Delete(_ context.Context, tenantID, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, tenantID+id)
	return nil
}

func TestAStoreOfTheHost(t *testing.T) {
	t.Parallel()
	s := &shelf{blobs: map[string][]byte{}}
	w := setup(t, testdb.SQLite(t), func(c *upload.Config) { c.Blobs = s })
	f := w.create(t, w.a, "a,b\n1,2\n")
	blob, err := w.Open(w.a, tenantOf(w.a), f.ID)
	if err != nil || blob.Size() != 8 {
		t.Fatal(blob, err)
	}
	if _, pieces := w.counts(t); pieces != 0 {
		t.Errorf("%d pieces are in the database", pieces)
	}
	if err := w.Delete(w.a, f.ID); err != nil {
		t.Fatal(err)
	}
	s.failure = errors.New("the store is down")
	if _, err := w.Create(w.a, upload.NewFile{Name: "a", Content: strings.NewReader("x")}); !errors.Is(err, s.failure) {
		t.Errorf("got %v", err)
	}
	if files, _ := w.counts(t); files != 0 || len(s.blobs) != 0 {
		t.Errorf("%d files and %d blobs are left", files, len(s.blobs))
	}
}
