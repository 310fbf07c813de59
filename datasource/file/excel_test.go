package file_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/connectortest"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/problem"
)

// workbook packs a sheet "A" of rows as they are in its XML.
func workbook(t testing.TB, rows string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"_rels/.rels":                `<Relationships><Relationship Id="1" Type="x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="a.xml"/><Relationship Id="r2" Type="x/styles" Target="styles.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook xmlns:r="x/relationships"><sheets><sheet name="A" r:id="r1"/></sheets></workbook>`,
		"xl/styles.xml":              `<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>`,
		"xl/a.xml":                   `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func inline(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s))
	return `<c t="inlineStr"><is><t>` + b.String() + `</t></is></c>`
}

func TestExcelConformance(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	rows.WriteString("<row>" + inline("n") + inline("name") + "</row>")
	for i := range 6000 {
		fmt.Fprintf(&rows, "<row><c><v>%d</v></c>%s</row>", i, inline(fmt.Sprint("row ", i)))
	}
	s := shelve(workbook(t, rows.String()))
	conformance(t, s, file.Excel(s.Open))
	var wide strings.Builder
	for _, name := range manyColumns() {
		wide.WriteString(inline(name))
	}
	s = shelve(workbook(t, "<row>"+wide.String()+"</row><row>"+inline("x")+"</row>"))
	connectortest.Run(t, file.Excel(s.Open), settings(nil), connectortest.Fixtures{Wide: json.RawMessage(`{}`)}) // a cell of a MiB is refused
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

func TestExcelKeepsTypes(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../internal/xlsx/testdata/excelize.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	s := shelve(content)
	got, err := query(t, file.Excel(s.Open), settings(nil), `{}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "text:string whole:integer number:number flag:boolean day:date moment:timestamp span:string money:number formula:unknown rich:string"; types(got.columns) != want {
		t.Errorf("got  %s\nwant %s", types(got.columns), want)
	}
	at := time.Date(2024, 2, 29, 23, 59, 59, 500e6, time.UTC)
	want := []any{"Zoë & <b>", int64(42), 0.1, true, datasource.Date("2024-02-29"), at, "36:00:00", 1234.5, nil, "bold and not"}
	if len(got.rows) != 3 || !reflect.DeepEqual(got.rows[0], want) {
		t.Errorf("got  %v\nwant %v", got.rows, want)
	}
	for where, n := range map[string]int{
		`{"column": "moment", "op": "gt", "value": "2024-01-01T00:00:00Z"}`: 1, `{"column": "day", "op": "lt", "value": "2000-01-01"}`: 2, `{"column": "flag", "value": true}`: 1,
		`{"column": "whole", "value": "9007199254740993"}`: 1, `{"column": "number", "value": 0.1}`: 1, `{"column": "text", "op": "startsWith", "value": "'="}`: 1,
	} {
		if got, err := query(t, file.Excel(s.Open), settings(nil), `{"where": [`+where+`]}`, nil); err != nil || len(got.rows) != n {
			t.Errorf("%s: %v, %v", where, got.rows, err)
		}
	}
	got, err = query(t, file.Excel(s.Open), settings(map[string]any{"header": false}), `{"sheet": "Zweites Blatt", "columns": ["column3"]}`, nil)
	if err != nil || !reflect.DeepEqual(got.rows, [][]any{{"far away"}}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = query(t, file.Excel(s.Open), settings(nil), `{"sheet": "Drittes"}`, nil)
	if refusal, ok := errors.AsType[*datasource.StatementError](err); !ok || !strings.Contains(refusal.Message, "Drittes") {
		t.Errorf("got %v", err)
	}
	conn, err := file.Excel(s.Open).Open(t.Context(), settings(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	schema, err := conn.(datasource.Introspector).Introspect(t.Context())
	if err != nil || len(schema.Tables) != 2 || schema.Tables[0].Name != "Sheet1" || schema.Tables[0].Columns[4].Type != "date" {
		t.Errorf("got %+v, %v", schema, err)
	}
}

// T79: a schema walks through one open workbook, however many sheets it has.
func TestT79_ASchemaOpensAWorkbookOnce(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../internal/xlsx/testdata/excelize.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	s, opens := shelve(content), 0
	conn, err := file.Excel(func(ctx context.Context, tenantID, id string) (file.Content, error) {
		opens++
		return s.Open(ctx, tenantID, id)
	}).Open(t.Context(), settings(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	schema, err := conn.(datasource.Introspector).Introspect(t.Context())
	if err != nil || len(schema.Tables) != 2 || opens != 1 || s.open.Load() != 0 {
		t.Errorf("%d tables, %d times opened, %d still open, %v", len(schema.Tables), opens, s.open.Load(), err)
	}
}

func TestExcelColumnsOfSeveralTypes(t *testing.T) {
	t.Parallel()
	s := shelve(workbook(t, `<row>`+inline("a")+inline("b")+inline("c")+`<c><v>2024</v></c></row>`+
		`<row><c><v>1</v></c><c><v>1</v></c><c s="1"><v>45351</v></c><c t="e"><v>#N/A</v></c></row>`+
		`<row>`+inline("x")+`<c><v>1.5</v></c><c s="2"><v>45351.5</v></c></row>`))
	got, err := query(t, file.Excel(s.Open), settings(nil), `{}`, nil)
	at := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	want := [][]any{{int64(1), int64(1), at, "#N/A"}, {"x", 1.5, at.Add(12 * time.Hour), nil}}
	if err != nil || types(got.columns) != "a:unknown b:number c:timestamp 2024:string" || !reflect.DeepEqual(got.rows, want) {
		t.Errorf("got %s %v, %v", types(got.columns), got.rows, err)
	}
	for value, n := range map[string]int{`1`: 1, `"x"`: 1, `"1"`: 1, `2`: 0, `true`: 0} {
		if got, err := query(t, file.Excel(s.Open), settings(nil), `{"where": [{"column": "a", "value": `+value+`}]}`, nil); err != nil || len(got.rows) != n {
			t.Errorf("a = %s: %v, %v", value, got.rows, err)
		}
	}
	s = shelve(workbook(t, `<row>`+inline("a")+`</row><row r="7"><c r="B7"><v>1</v></c></row>`))
	if _, err := query(t, file.Excel(s.Open), settings(nil), `{}`, nil); err == nil || !strings.Contains(err.Error(), "row 7") {
		t.Errorf("a value behind the header: %v", err)
	}
}

func TestExcelT80_TheCorpusStaysAValue(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	rows.WriteString("<row>" + inline("v") + inline("n") + "</row>")
	for i, v := range connectortest.Injections() {
		fmt.Fprintf(&rows, "<row>%s<c><v>%d</v></c></row>", inline(v), i)
	}
	s := shelve(workbook(t, rows.String()))
	for i, v := range connectortest.Injections() {
		got, err := query(t, file.Excel(s.Open), settings(nil), `{"columns": ["n"], "where": [{"column": "v", "value": "{{ v }}"}]}`, map[string]any{"v": v})
		if err != nil || len(got.rows) != 1 || got.rows[0][0] != int64(i) {
			t.Errorf("%q: got %v, %v", v, got.rows, err)
		}
		if _, err := query(t, file.Excel(s.Open), settings(nil), `{"sheet": `+quote(v)+`}`, nil); err != nil && v != "" {
			if _, ok := errors.AsType[*datasource.StatementError](err); !ok {
				t.Errorf("the sheet %q: %v", v, err)
			}
		}
	}
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

// T110: a file that is no workbook any more is a fault of the file, with a remedy.
func TestT110_UnsoundWorkbooks(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"nothing": nil, "a text": []byte("a,b\n1,2\n"), "half": workbook(t, "<row/>")[:100], "no end": workbook(t, "<row><c><v>1</v></c>"),
		"a large cell": workbook(t, `<row><c t="str"><v>`+strings.Repeat("x", 2<<20)+`</v></c></row>`),
	} {
		s := shelve(content)
		_, err := query(t, file.Excel(s.Open), settings(nil), `{}`, nil)
		if e := problem.Of(err); e == nil || e.Code != "file_unsound" || e.Remedy == "" || strings.Contains(e.Message, "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if s.open.Load() != 0 {
			t.Errorf("%s: the file is still open", name)
		}
	}
}
