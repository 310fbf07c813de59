package xlsx_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jetadmin/jetadmin/internal/xlsx"
)

// The workbook was written by tools/workbook.
func TestAWorkbookOfAnotherProgram(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/excelize.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	w, err := xlsx.Open(t.Context(), bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Sheets(); !reflect.DeepEqual(got, []string{"Sheet1", "Zweites Blatt"}) {
		t.Errorf("got %v", got)
	}
	got, err := read(w, "")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 2, 29, 23, 59, 59, 500e6, time.UTC)
	want := []map[int]any{
		{0: "text", 1: "whole", 2: "number", 3: "flag", 4: "day", 5: "moment", 6: "span", 7: "money", 8: "formula", 9: "rich"},
		{0: "Zoë & <b>", 1: int64(42), 2: 0.1, 3: true, 4: xlsx.Day("2024-02-29"), 5: at, 6: xlsx.Time("36:00:00"), 7: 1234.5, 9: "bold and not"},
		{0: "'=1+1", 1: int64(-7), 2: 1e21, 3: false, 4: xlsx.Day("1900-02-28"), 5: at.Add(-100 * 365 * 24 * time.Hour), 6: xlsx.Time("06:00:00"), 7: int64(-1), 9: "x"},
		{0: "007", 1: int64(9007199254740993), 2: int64(3), 4: xlsx.Day("1900-01-01")},
	}
	for i := range want {
		if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("row %d\ngot  %v\nwant %v", i+1, got[min(i, len(got)-1)], want[i])
		}
	}
	if got, err := read(w, "Zweites Blatt"); err != nil || len(got) != 1 || got[0][2] != "far away" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := w.Rows("Drittes"); !errors.Is(err, xlsx.ErrNoSheet) {
		t.Errorf("got %v", err)
	}
}

func read(w *xlsx.Workbook, sheet string) ([]map[int]any, error) {
	rows, err := w.Rows(sheet)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []map[int]any
	for {
		cells, err := rows.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		row := map[int]any{}
		for _, c := range cells {
			row[c.Column] = c.Value
		}
		all = append(all, row)
	}
}

// parts are the files of a workbook with one sheet, which tests change.
func parts(sheet string) map[string]string {
	return map[string]string{
		"_rels/.rels":                `<Relationships><Relationship Id="1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/a.xml"/><Relationship Id="r2" Type="x/sharedStrings" Target="/xl/texts.xml"/><Relationship Id="r3" Type="x/styles" Target="styles.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook xmlns:r="x/relationships"><sheets><sheet name="A" r:id="r1"/></sheets></workbook>`,
		"xl/texts.xml":               `<sst><si><t>one</t></si><si><r><t>t</t></r><r><t>wo</t></r><rPh><t>no</t></rPh></si><si><t>a_x000D_b_x</t></si></sst>`,
		"xl/styles.xml": `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="d.m.yy"/><numFmt numFmtId="165" formatCode="0.0&quot;days&quot;"/><numFmt numFmtId="166" formatCode="[hh]:mm"/><numFmt numFmtId="167" formatCode="[$-409]h:mm AM/PM"/><numFmt numFmtId="168" formatCode="[Red]0.00;mm"/></numFmts>` +
			`<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="167"/><xf numFmtId="168"/></cellXfs></styleSheet>`,
		"xl/worksheets/a.xml": sheet,
	}
}

func pack(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range parts {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(content []byte) (*xlsx.Workbook, error) {
	return xlsx.Open(context.Background(), bytes.NewReader(content), int64(len(content)))
}

// readParts reads the first sheet of a workbook of parts.
func readParts(t testing.TB, parts map[string]string) ([]map[int]any, error) {
	t.Helper()
	w, err := open(pack(t, parts))
	if err != nil {
		return nil, err
	}
	return read(w, "")
}

func TestCells(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]any{
		`<c t="s"><v>0</v></c>`:                                 "one",
		`<c t="s"><v>1</v></c>`:                                 "two",
		`<c t="s"><v>2</v></c>`:                                 "a\rb_x",
		`<c t="inlineStr"><is><t>a</t><r><t>b</t></r></is></c>`: "ab",
		`<c t="str"><f>A1</f><v>x &amp; y</v></c>`:              "x & y",
		`<c t="b"><v>1</v></c>`:                                 true,
		`<c t="b"><v>0</v></c>`:                                 false,
		`<c t="e"><v>#DIV/0!</v></c>`:                           xlsx.Fault("#DIV/0!"),
		`<c t="d"><v>2024-02-29</v></c>`:                        xlsx.Day("2024-02-29"),
		`<c t="d"><v>2024-02-29T10:00:00</v></c>`:               time.Date(2024, 2, 29, 10, 0, 0, 0, time.UTC),
		`<c><f>1+1</f><v>2</v></c>`:                             int64(2),
		`<c t="n"><v>1.50</v></c>`:                              1.5,
		`<c><v>1E+3</v></c>`:                                    int64(1000),
		`<c s="1"><v>45351</v></c>`:                             xlsx.Day("2024-02-29"),
		`<c s="1"><v>45351.5</v></c>`:                           time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		`<c s="2"><v>45351</v></c>`:                             time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		`<c s="2"><v>45351.999999999</v></c>`:                   time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC),
		`<c s="3"><v>1</v></c>`:                                 xlsx.Day("1900-01-01"),
		`<c s="3"><v>61</v></c>`:                                xlsx.Day("1900-03-01"),
		`<c s="3"><v>2958465</v></c>`:                           xlsx.Day("9999-12-31"),
		`<c s="3"><v>-1</v></c>`:                                int64(-1),
		`<c s="3"><v>99999999</v></c>`:                          int64(99999999),
		`<c s="4"><v>1.5</v></c>`:                               1.5,
		`<c s="5"><v>1.5</v></c>`:                               xlsx.Time("36:00:00"),
		`<c s="6"><v>0.75</v></c>`:                              xlsx.Time("18:00:00"),
		`<c s="7"><v>3</v></c>`:                                 int64(3),
		`<c s="99"><v>3</v></c>`:                                int64(3),
		`<c/>`:                                                  nil,
		`<c t="s"/>`:                                            nil,
		`<c><f>A1</f></c>`:                                      nil,
		`<c><v></v></c>`:                                        nil,
	} {
		got, err := readParts(t, parts(`<worksheet><cols/><sheetData><row><c r="A1" t="b"><v>1</v></c>`+cell+`</row></sheetData></worksheet>`))
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0][1], want) {
			t.Errorf("%s: got %v, %v, want %v", cell, got, err, want)
		}
	}
}

func TestPlacesOfCells(t *testing.T) {
	t.Parallel()
	got, err := readParts(t, parts(`<worksheet><sheetData><row r="1"/><row r="3"><c r="B3"><v>1</v></c><c><v>2</v></c><c r="AA3"><v>3</v></c><c r="x"><v>4</v></c></row><row><c r="A9"><v>5</v></c></row></sheetData><tail/></worksheet>`))
	want := []map[int]any{{1: int64(1), 2: int64(2), 26: int64(3), 27: int64(4)}, {0: int64(5)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	p := parts(`<worksheet><sheetData><row><c s="1"><v>0</v></c></row></sheetData></worksheet>`)
	p["xl/workbook.xml"] = strings.Replace(p["xl/workbook.xml"], "<sheets>", `<workbookPr date1904="true"/><sheets>`, 1)
	if got, err := readParts(t, p); err != nil || got[0][0] != xlsx.Day("1904-01-01") {
		t.Errorf("counted from 1904: %v, %v", got, err)
	}
}

// T110, T79: what would take memory or time without an end ends in an Error.
func TestT110_HostileWorkbooks(t *testing.T) {
	long := func(text string, n int) string { return strings.Repeat(text, n/len(text)) }
	sheet := func(rows string) map[string]string {
		return parts(`<worksheet><sheetData>` + rows + `</sheetData></worksheet>`)
	}
	with := func(changes ...string) map[string]string {
		p := sheet(`<row><c t="s"><v>0</v></c></row>`)
		for i := 0; i < len(changes); i += 2 {
			if p[changes[i]] = changes[i+1]; changes[i+1] == "" {
				delete(p, changes[i])
			}
		}
		return p
	}
	for name, p := range map[string]map[string]string{
		"a cell of 8 MB":              sheet(`<row><c t="inlineStr"><is><t>` + long("x", 8<<20) + `</t></is></c></row>`),
		"an attribute of 8 MB":        sheet(`<row><c r="` + long("A", 8<<20) + `"/></row>`),
		"a comment of 8 MB":           sheet(`<!--` + long("x", 8<<20) + `-->`),
		"nesting":                     sheet(long("<row>", 1<<20)),
		"nesting in a cell":           sheet(`<row><c>` + long("<v>", 1<<20)),
		"too many cells":              sheet(`<row>` + long("<c><v>1</v></c>", 16_385*15) + `</row>`),
		"a column beyond the last":    sheet(`<row><c r="XFE1"><v>1</v></c></row>`),
		"a sheet without an end":      parts(`<worksheet><sheetData><row><c><v>1</v></c></row>`),
		"a row without an end":        parts(`<worksheet><sheetData><row><c><v>1</v></c>`),
		"a cell without an end":       parts(`<worksheet><sheetData><row><c><v>1`),
		"a number that is none":       sheet(`<row><c><v>NaN</v></c></row>`),
		"a text that is not there":    sheet(`<row><c t="s"><v>9</v></c></row>`),
		"a text before the first":     sheet(`<row><c t="s"><v>-1</v></c></row>`),
		"an entity":                   parts(`<!DOCTYPE x [<!ENTITY a "` + long("a", 1<<10) + `">]><worksheet><sheetData><row><c t="inlineStr"><is><t>&a;</t></is></c></row></sheetData></worksheet>`),
		"texts of 70 MB":              with("xl/texts.xml", `<sst>`+long("<si><t>"+strings.Repeat("x", 1000)+"</t></si>", 70<<20)+`</sst>`),
		"five million texts":          with("xl/texts.xml", `<sst>`+long("<si/>", 5*5_000_000)+`</sst>`),
		"a row of one large text":     with("xl/worksheets/a.xml", `<worksheet><sheetData><row>`+long(`<c t="s"><v>0</v></c>`, 16*21)+`</row></sheetData></worksheet>`, "xl/texts.xml", `<sst><si><t>`+long("x", 900<<10)+`</t></si></sst>`),
		"a million and more texts":    with("xl/texts.xml", `<sst>`+long("<si/>", 5*(1<<20+1))+`</sst>`),
		"texts of 20 MB":              with("xl/texts.xml", `<sst>`+long("<si><t>"+strings.Repeat("x", 1000)+"</t></si>", 20<<20)+`</sst>`),
		"styles of 10 MB":             with("xl/styles.xml", `<styleSheet><cellXfs>`+long(`<xf numFmtId="0"/>`, 10<<20)+`</cellXfs></styleSheet>`),
		"two thousand sheets":         with("xl/workbook.xml", `<workbook xmlns:r="x/relationships"><sheets>`+long(`<sheet name="A" r:id="r1"/>`, 2000*27)+`</sheets></workbook>`),
		"no workbook":                 with("xl/workbook.xml", ""),
		"no sheet":                    with("xl/workbook.xml", `<workbook/>`),
		"a sheet that is not there":   with("xl/worksheets/a.xml", ""),
		"no relations":                with("xl/_rels/workbook.xml.rels", ""),
		"a sheet outside":             with("xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="../../../../etc/passwd"/></Relationships>`),
		"no XML":                      with("xl/workbook.xml", "\x00\x01"),
		"entries that differ by case": with("XL/workbook.xml", "x"),
	} {
		var before, after runtime.MemStats
		content := pack(t, p)
		runtime.GC()
		runtime.ReadMemStats(&before)
		w, err := open(content)
		if err == nil {
			_, err = read(w, "")
		}
		if _, ok := errors.AsType[*xlsx.Error](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if held := int64(after.HeapSys) - int64(before.HeapSys); held > 256<<20 {
			t.Errorf("%s: %d MB of heap", name, held>>20)
		}
	}
}

func TestT110_BrokenArchives(t *testing.T) {
	t.Parallel()
	content := pack(t, parts(`<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>`))
	for name, broken := range map[string][]byte{
		"nothing": nil, "half": content[:len(content)/2], "no archive": []byte(strings.Repeat("PK\x03\x04", 100)), "a tail": content[len(content)/2:],
	} {
		if _, err := open(broken); err == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := errors.AsType[*xlsx.Error](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A byte of the sheet is not what its sum says.
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range parts("") {
		if name == "xl/worksheets/a.xml" {
			text = `<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>`
			f, _ := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(text)) + 1, CompressedSize64: uint64(len(text)), UncompressedSize64: uint64(len(text))})
			_, _ = io.WriteString(f, text)
			continue
		}
		f, _ := z.Create(name)
		_, _ = io.WriteString(f, text)
	}
	_ = z.Close()
	w, err := open(b.Bytes())
	if err == nil {
		_, err = read(w, "")
	}
	if _, ok := errors.AsType[*xlsx.Error](err); !ok {
		t.Errorf("a wrong sum: %v", err)
	}
}

// failing is a storage that fails behind some bytes.
type failing struct {
	*bytes.Reader
	behind int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off < f.behind {
		return iotest.ErrReader(io.ErrNoProgress).Read(p)
	}
	return f.Reader.ReadAt(p, off)
}

func TestFailuresOfTheStorageAreItsOwn(t *testing.T) {
	t.Parallel()
	content := pack(t, parts(`<worksheet/>`))
	for _, behind := range []int64{int64(len(content)), int64(len(content)) - 600} {
		_, err := xlsx.Open(t.Context(), failing{bytes.NewReader(content), behind}, int64(len(content)))
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("got %v", err)
		}
		if _, ours := errors.AsType[*xlsx.Error](err); ours {
			t.Errorf("it is taken for a fault of the file: %v", err)
		}
	}
}

// T92: whatever part of a workbook is being read, the reading ends with its context.
func TestT92_ReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := parts(`<worksheet><sheetData>` + strings.Repeat(`<row/>`, 100_000) + `</sheetData></worksheet>`)
	content := pack(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := xlsx.Open(ctx, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := w.Rows("")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cancel()
	if _, err := rows.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("the rows: %v", err)
	}
	if _, err := w.Rows(""); !errors.Is(err, context.Canceled) {
		t.Errorf("another sheet: %v", err)
	}
	if _, err := xlsx.Open(ctx, bytes.NewReader(content), int64(len(content))); !errors.Is(err, context.Canceled) {
		t.Errorf("another reading: %v", err)
	}
}

// counting is a storage that knows how much of it was read.
type counting struct {
	*bytes.Reader
	read int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.read += n
	return n, err
}

// The shared texts are read once, whichever sheets are read after each other.
func TestSharedTextsAreReadOnce(t *testing.T) {
	t.Parallel()
	p := parts(`<worksheet><sheetData><row><c t="s"><v>0</v></c></row></sheetData></worksheet>`)
	random := make([]byte, 200<<10)
	_, _ = rand.Read(random)
	p["xl/texts.xml"] = `<sst><si><t>` + hex.EncodeToString(random) + `</t></si></sst>`
	content := pack(t, p)
	storage := &counting{Reader: bytes.NewReader(content)}
	w, err := xlsx.Open(t.Context(), storage, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		before := storage.read
		got, err := read(w, "")
		if err != nil || len(got) != 1 || len(got[0][0].(string)) != 2*len(random) {
			t.Fatalf("%d rows, %v", len(got), err)
		}
		if n := storage.read - before; i > 0 && n > len(random)/2 {
			t.Errorf("reading the sheet again reads %d bytes", n)
		}
	}
}

func FuzzSheet(f *testing.F) {
	for _, seed := range []string{
		`<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>`, `<sheetData><row><c t="inlineStr"><is><r><t>x</t></r></is></c>`,
		`<sheetData/>`, `<sheetData><row><row><c><v><v>1</v></v></c></row></row></sheetData>`, `<c r="ZZZZ99999999999"/>`, `<sheetData><row><c s="1"><v>1e308</v></c></row></sheetData>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sheet string) {
		got, err := readParts(t, parts(sheet))
		if err != nil {
			if _, ok := errors.AsType[*xlsx.Error](err); !ok {
				t.Fatalf("an error of another kind: %v", err)
			}
		}
		for _, row := range got {
			for column, v := range row {
				switch v.(type) {
				case string, int64, float64, bool, time.Time, xlsx.Day, xlsx.Time, xlsx.Fault:
				default:
					t.Fatalf("column %d is a %T", column, v)
				}
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(pack(f, parts(`<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>`)))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, content []byte) {
		w, err := open(content)
		if err == nil {
			_, err = read(w, "")
		}
		if err != nil && !errors.Is(err, xlsx.ErrNoSheet) {
			if _, ok := errors.AsType[*xlsx.Error](err); !ok {
				t.Fatalf("an error of another kind: %v", err)
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	var sheet strings.Builder
	sheet.WriteString(`<worksheet><sheetData>`)
	for i := range 20_000 {
		fmt.Fprintf(&sheet, `<row r="%d"><c r="A%d" t="s"><v>1</v></c><c r="B%d"><v>%d.5</v></c><c r="C%d" s="1"><v>45351</v></c></row>`, i, i, i, i, i)
	}
	sheet.WriteString(`</sheetData></worksheet>`)
	content := pack(b, parts(sheet.String()))
	for b.Loop() {
		w, err := open(content)
		if err != nil {
			b.Fatal(err)
		}
		rows, err := w.Rows("")
		for err == nil {
			_, err = rows.Next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
