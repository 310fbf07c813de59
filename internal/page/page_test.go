package page

import (
	"encoding/base64"
	"strconv"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

const scope = "list|tenant|"

// cursorOf is the cursor behind the first of two items, 1 and 2.
func cursorOf(t testing.TB, s *Signer) string {
	w, err := s.open(Request{Limit: 1}, scope)
	if err != nil {
		t.Fatal(err)
	}
	return cut(w, []int{1, 2}, strconv.Itoa).NextCursor
}

// T142: a limit out of range is refused.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := NewSigner([]byte("key"))
	for limit, want := range map[int]int{0: DefaultLimit, 1: 1, MaxLimit: MaxLimit, -1: 0, MaxLimit + 1: 0, -1 << 63: 0, 1<<63 - 1: 0} {
		w, err := s.open(Request{Limit: limit}, scope)
		if want == 0 && (problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != "limit") {
			t.Errorf("limit %d gives %v", limit, err)
		}
		if want != 0 && (err != nil || w.limit != want) {
			t.Errorf("limit %d is %d, %v, want %d", limit, w.limit, err, want)
		}
	}
}

func TestCursorBelongsToItsList(t *testing.T) {
	t.Parallel()
	s := NewSigner([]byte("key"))
	cursor := cursorOf(t, s)
	if w, err := s.open(Request{Cursor: cursor}, scope); err != nil || w.after != "1" {
		t.Fatalf("goes on after %q, %v", w.after, err)
	}
	for name, try := range map[string]struct {
		signer        *Signer
		cursor, scope string
	}{
		"another list":        {s, cursor, "list|other|"},
		"a longer scope":      {s, cursor, scope + "x"},
		"another key":         {NewSigner([]byte("yek")), cursor, scope},
		"cut off":             {s, cursor[:len(cursor)-2], scope},
		"made up":             {s, base64.RawURLEncoding.EncodeToString([]byte("1")), scope},
		"not even a cursor":   {s, "../../etc", scope},
		"the other alphabet":  {s, cursor + "+/==", scope},
		"followed by a blank": {s, cursor + " ", scope},
	} {
		_, err := try.signer.open(Request{Cursor: try.cursor}, try.scope)
		if problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != "cursor" {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// All faults of a request are told at once.
func TestFaultsTogether(t *testing.T) {
	t.Parallel()
	_, err := NewSigner([]byte("key")).open(Request{Limit: -1, Cursor: "x"}, scope)
	if got := len(problem.Of(err).Faults); got != 2 {
		t.Errorf("%d faults, want 2", got)
	}
}

// A text that was not signed for the list is never a cursor of it.
func FuzzCursor(f *testing.F) {
	s := NewSigner([]byte("key"))
	cursor := cursorOf(f, s)
	f.Add(cursor)
	f.Add("")
	f.Add(cursor + "=")
	f.Add(cursor[:10])
	f.Add("AAAA\nAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := s.open(Request{Cursor: text}, scope)
		if err == nil && text != "" && text != cursor {
			t.Errorf("%q is taken for a cursor, after %q", text, w.after)
		}
	})
}
