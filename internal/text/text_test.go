package text_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/internal/text"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"": true, "Zoë's café ✓": true, "a\tb": false, "a\nb": false, "a\x00b": false, "\x1b[2J": false, "\u0085": false, "\xff": false,
	} {
		if text.OneLine(s) != want {
			t.Errorf("OneLine(%q) is %t", s, !want)
		}
	}
}

func TestSome(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"": nil, "a": {"a"}, "a, b, c, d, e": {"a", "b", "c", "d", "e"}, "a, b, c, d, e and 2 more": {"a", "b", "c", "d", "e", "f", "g"},
	} {
		if got := text.Some(names); got != want {
			t.Errorf("%v: got %q", names, got)
		}
	}
}
