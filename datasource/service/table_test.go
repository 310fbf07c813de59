package service

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

// Memory is counted for the whole process: this test is not parallel.
func TestT79_LongHeadersAreNotCopiedForEachRow(t *testing.T) {
	var faults problem.Faults
	table := newTable(Table{Rows: "/rows", Groups: []Group{{Headers: "/headers", Name: "/name", Cells: "/cells", Value: "/value"}}}, &faults)
	if err := faults.Err("", ""); err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("n", 100_000)
	row := `{"cells": [{"value": "1"}, {"value": 2}, {"value": 3}, {"value": 4}]}`
	document := `{"headers": [{"name": "` + name + `"}, {"name": ""}, {}], "rows": [` + strings.Repeat(row+",", 4000) + row + `]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, err := table.read(json.RawMessage(document), 10_000)
	runtime.ReadMemStats(&after)
	if err != nil || len(rows.Columns()) != 2 || rows.Columns()[0].Name != name {
		t.Fatalf("%d columns, %v", len(rows.Columns()), err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 100<<20 {
		t.Errorf("%d MB for an answer of %d KB", made>>20, len(document)>>10)
	}
	got, err := rows.Next()
	if err != nil || got[0] != "1" || got[1] != int64(2) {
		t.Errorf("got %v, %v", got, err)
	}
	none := newTable(Table{Rows: "/rows", Groups: []Group{{Headers: "/nothing", Name: "", Cells: "/cells", Value: "/value"}}}, &faults)
	if _, err := none.read(json.RawMessage(document), 10); err != nil {
		t.Error(err)
	}
}
