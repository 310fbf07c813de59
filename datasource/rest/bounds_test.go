package rest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Memory is counted for the whole process: this test is not parallel.
func TestT79_ALongListIsReadAsFarAsItIsWanted(t *testing.T) {
	var body string
	conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	for name, answer := range map[string]string{
		"a list":    "[" + strings.Repeat("1,", 4<<20) + "1]",
		"an object": `{"x": [` + strings.Repeat(`{"a":1},`, 1<<20) + `{"a":1}]}`,
	} {
		body = answer
		path := `{"path": "/x"}`
		if name == "an object" {
			path = `{"path": "/x", "rows": "/x"}`
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rows, err := execLarge(t, conn, path)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err = rows.Next(); err == nil; _, err = rows.Next() {
			n++
		}
		if made := after.TotalAlloc - before.TotalAlloc; n != 11 || made > 120<<20 {
			t.Errorf("%s: %d rows and %d MB", name, n, made>>20)
		}
	}
}

func TestT79_TooManyColumnsAreRefused(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 200_000 {
		_, _ = fmt.Fprintf(&b, `,"%d":1`, i)
	}
	conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{"+b.String()[1:]+"}") })
	_, err := execLarge(t, conn, `{"path": "/x"}`)
	if e := problem.Of(err); e.Code != "response_too_wide" || e.Kind != problem.Upstream || e.Remedy == "" {
		t.Errorf("got %v", err)
	}
	rows, err := execLarge(t, conn, `{"path": "/x", "rows": "/199999"}`)
	if err != nil || len(rows.Columns()) != 1 {
		t.Errorf("the last member: %v", err)
	}
}

// A request that did its work is not told as failed: whoever repeats it writes twice.
func TestAWriteThatWasCarriedOutSaysSo(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct{ refused bool }{
		"OK":                  {},
		"<html>":              {},
		" \r\n":               {},
		"\ufeff":              {},
		"\ufeff{\"a\": []}\n": {},
		`{"b": 1}`:            {refused: true},
		`{"a": "` + strings.Repeat("x", 2<<20) + `"}`: {refused: true},
	} {
		conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		rows, err := exec(t, conn, `{"method": "POST", "path": "/x", "rows": "/a"}`, nil)
		if !c.refused {
			if err != nil || len(rows.Columns()) != 0 {
				t.Errorf("%.20q: %v", body, err)
			}
			continue
		}
		var text string
		if refusal, ok := errors.AsType[*datasource.StatementError](err); ok {
			text = refusal.Message
		} else if e, ok := errors.AsType[*problem.Error](err); ok {
			text = e.Message
			if strings.Contains(e.Remedy, "ask for less") {
				t.Errorf("%.20q: %s", body, e.Remedy)
			}
		}
		if !strings.HasPrefix(text, "the request was carried out") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	conn, _ := mover(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if _, err := exec(t, conn, `{"path": "/x"}`, nil); problem.Of(err).Code != "answer_not_json" {
		t.Errorf("a GET: %v", err)
	}
}
