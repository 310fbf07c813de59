package page_test

import (
	"encoding/base64"
	"slices"
	"strconv"
	"testing"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

const scope = "list|tenant|"

func key(n int) []string { return []string{strconv.Itoa(n)} }

// list is a list of numbers, cut as a service cuts its rows.
func list(t *testing.T, s *page.Signer, r page.Request, total int) page.Page[int] {
	t.Helper()
	w, err := s.Open(r, scope)
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	if w.After != nil {
		if from, err = strconv.Atoi(w.After[0]); err != nil {
			t.Fatal(err)
		}
	}
	var items []int
	for n := from + 1; n <= total && len(items) <= w.Limit; n++ {
		items = append(items, n)
	}
	return page.Cut(w, items, key)
}

func TestPagesCoverTheList(t *testing.T) {
	t.Parallel()
	s := page.NewSigner([]byte("key"))
	for _, total := range []int{0, 1, 6, 7, 8, 14, 15} {
		var got []int
		request := page.Request{Limit: 7}
		for pages := 0; ; pages++ {
			p := list(t, s, request, total)
			if len(p.Items) > 7 || p.Items == nil || pages > 3 {
				t.Fatalf("of %d: page %d has %v", total, pages, p.Items)
			}
			got = append(got, p.Items...)
			if p.NextCursor == "" {
				break
			}
			request.Cursor = p.NextCursor
		}
		if len(got) != total || !slices.IsSorted(got) {
			t.Errorf("of %d the pages give %v", total, got)
		}
	}
}

// T142: a limit out of range is refused.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := page.NewSigner([]byte("key"))
	for limit, want := range map[int]int{0: page.DefaultLimit, 1: 1, page.MaxLimit: page.MaxLimit, -1: 0, page.MaxLimit + 1: 0, -1 << 63: 0, 1<<63 - 1: 0} {
		w, err := s.Open(page.Request{Limit: limit}, scope)
		if want == 0 && (problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != "limit") {
			t.Errorf("limit %d gives %v", limit, err)
		}
		if want != 0 && (err != nil || w.Limit != want) {
			t.Errorf("limit %d is %d, %v, want %d", limit, w.Limit, err, want)
		}
	}
}

func TestCursorBelongsToItsList(t *testing.T) {
	t.Parallel()
	s := page.NewSigner([]byte("key"))
	cursor := list(t, s, page.Request{Limit: 1}, 2).NextCursor
	if _, err := s.Open(page.Request{Cursor: cursor}, scope); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		signer        *page.Signer
		cursor, scope string
	}{
		"another list":        {s, cursor, "list|other|"},
		"a longer scope":      {s, cursor, scope + "x"},
		"another key":         {page.NewSigner([]byte("yek")), cursor, scope},
		"cut off":             {s, cursor[:len(cursor)-2], scope},
		"made up":             {s, base64.RawURLEncoding.EncodeToString([]byte(`["1"]`)), scope},
		"not even a cursor":   {s, "../../etc", scope},
		"the other alphabet":  {s, cursor + "+/==", scope},
		"followed by a blank": {s, cursor + " ", scope},
	} {
		_, err := try.signer.Open(page.Request{Cursor: try.cursor}, try.scope)
		if problem.KindOf(err) != problem.Invalid || problem.Of(err).Faults[0].Path != "cursor" {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// All faults of a request are told at once.
func TestFaultsTogether(t *testing.T) {
	t.Parallel()
	_, err := page.NewSigner([]byte("key")).Open(page.Request{Limit: -1, Cursor: "x"}, scope)
	if got := len(problem.Of(err).Faults); got != 2 {
		t.Errorf("%d faults, want 2", got)
	}
}

// A text that was not signed for the list is never a cursor of it.
func FuzzCursor(f *testing.F) {
	s := page.NewSigner([]byte("key"))
	w, err := s.Open(page.Request{Limit: 1}, scope)
	if err != nil {
		f.Fatal(err)
	}
	cursor := page.Cut(w, []int{1, 2}, key).NextCursor
	f.Add(cursor)
	f.Add("")
	f.Add(cursor + "=")
	f.Add(cursor[:10])
	f.Add("AAAA\nAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := s.Open(page.Request{Cursor: text}, scope)
		if err == nil && text != "" && text != cursor {
			t.Errorf("%q is taken for a cursor, after %q", text, w.After)
		}
	})
}
