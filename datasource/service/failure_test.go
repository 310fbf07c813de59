package service

import (
	"encoding/json"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

func TestWordsOfAnAnswer(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`"no"`: "no", `21211`: "21211", `["a", "b"]`: "a", `{"summary": "is required", "x": "y"}`: "summary: is required",
		`[[{"a": ["b"]}]]`: "a: b", `[]`: "", `{}`: "", `null`: "", `true`: "", `{"a": null}`: "", `{"": "x"}`: "", `[`: "", ``: "",
	} {
		if got := words(json.RawMessage(document)); got != want {
			t.Errorf("%s tells %q, want %q", document, got, want)
		}
	}
}

func FuzzTold(f *testing.F) {
	f.Add([]byte(`{"errors": [{"message": "no"}]}`), "/errors/0/message")
	f.Add([]byte(`{"a": {"b": [[{"c": 1}]]}}`), "/a")
	f.Fuzz(func(t *testing.T, document []byte, pointer string) {
		var faults problem.Faults
		made := newFailure(Failure{Message: []string{pointer}, Unless: pointer}, &faults)
		if len(faults.List()) > 0 || !json.Valid(document) {
			return
		}
		if made.agreed(document) && told(document, made.message) != "" {
			t.Fatal("true is no message")
		}
	})
}
