package page_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

type numberRow struct {
	bun.BaseModel `bun:"table:?schema.number,alias:n"`

	N int
}

// numbers is the list of those below a bound.
func numbers(db *store.DB, below int, oldestFirst bool) page.List[numberRow, int] {
	return page.List[numberRow, int]{
		By:          "n",
		Key:         strconv.Itoa,
		OldestFirst: oldestFirst,
		Query:       db.NewSelect().Where("n < ?", below),
		Scope:       []string{"numbers", strconv.Itoa(below)},
		View:        page.Plain(func(r *numberRow) int { return r.N }),
	}
}

func TestPagesCoverTheList(t *testing.T) {
	t.Parallel()
	signer := page.NewSigner([]byte("key"))
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		if _, err := db.NewCreateTable().Model((*numberRow)(nil)).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		var want []int
		for n := range 15 { // with ends at, before and behind the bound of a page
			check(t, numbers(db, n, true), signer, want)
			backwards := slices.Clone(want)
			slices.Reverse(backwards)
			check(t, numbers(db, n, false), signer, backwards)
			if _, err := db.NewInsert().Model(&numberRow{N: n}).Exec(ctx); err != nil {
				t.Fatal(err)
			}
			want = append(want, n)
		}
	})
}

// check reads a list to its end and compares.
func check(t *testing.T, list page.List[numberRow, int], signer *page.Signer, want []int) {
	t.Helper()
	var got []int
	request := page.Request{Limit: 7}
	for pages := 0; ; pages++ {
		p, err := list.Read(t.Context(), signer, request)
		if err != nil || len(p.Items) > 7 || p.Items == nil || pages > 3 {
			t.Fatalf("page %d is %v, %v", pages, p.Items, err)
		}
		got = append(got, p.Items...)
		if p.NextCursor == "" {
			break
		}
		request.Cursor = p.NextCursor
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages give %v, want %v", got, want)
	}
}
