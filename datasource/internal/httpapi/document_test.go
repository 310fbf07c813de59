package httpapi

import (
	"encoding/json"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

// Whatever a document is, its parts are those that encoding/json finds.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a": 1, "b" :[ null ,{"c":"d"} , 2.5e3 ] , "a":true}`))
	f.Add([]byte(` [ 1, "x" , [] ,{},null ] `))
	f.Add([]byte(`{"":{}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if !json.Valid(document) {
			return
		}
		var object map[string]json.RawMessage
		if first(document) == '{' && json.Unmarshal(document, &object) == nil {
			for key, want := range object {
				if got, ok := Find(document, []string{key}); !ok || string(got) != string(want) {
					t.Fatalf("%s: %q is %s, want %s", document, key, got, want)
				}
			}
		}
		var list []json.RawMessage
		if first(document) == '[' && json.Unmarshal(document, &list) == nil {
			i := 0
			Elements(document, func(got json.RawMessage) bool {
				if i >= len(list) || string(got) != string(list[i]) {
					t.Fatalf("%s: element %d is %s", document, i, got)
				}
				i++
				return true
			})
			if i != len(list) {
				t.Fatalf("%s: %d elements", document, i)
			}
		}
	})
}

// T79: as long as a text is, little of it is worked on, and a secret that the cut
// goes through is not shown, however short what was before it becomes. Memory is
// counted for the whole process: this test is not parallel.
func TestT79_LongWordsAreCutBeforeTheyAreMasked(t *testing.T) {
	base, _ := url.Parse("http://api.test")
	key := "canary-" + strings.Repeat("k", 100)
	a := New(base, nil, Bearer(secret.NewText(key)), egress.Policy{})
	for shift := range len(key) + 2 {
		text := strings.Repeat(" ", maxRead+len(key)-shift) + key + strings.Repeat("x", 1000)
		if got := a.Public(text); strings.Contains(got, "can") || strings.Contains(got, "kkk") {
			t.Fatalf("%d: %q", shift, got)
		}
	}
	long := strings.Repeat(key, 100_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.Public(long)
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; made > 2<<20 {
		t.Errorf("%d KB for a text of %d KB", made>>10, len(long)>>10)
	}
}
