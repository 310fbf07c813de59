package datasource_test

import (
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
)

// A value that only begins like a JSON document keeps all of its text.
func TestWhatFollowsADocumentIsKept(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		"2024-07-01": `"2024-07-01"`, `{"a":1}{"b":2}`: `"{\"a\":1}{\"b\":2}"`, "1 2": `"1 2"`, `"a"b`: `"\"a\"b"`, "[1]]": `"[1]]"`,
		" {\"a\": 1} \n": `{"a":1}`, "12": "12", "": `""`,
	} {
		var line strings.Builder
		if err := datasource.NewNDJSON(&line).Row([]any{datasource.JSON(document)}); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(line.String()); got != "["+want+"]" {
			t.Errorf("%q became %s", document, got)
		}
	}
}
