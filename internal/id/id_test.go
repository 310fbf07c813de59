package id_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jetadmin/jetadmin/internal/id"
)

func TestNewSortsByTime(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = id.New()
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(ids) {
		t.Error("ids made one after the other are not in order, or not different")
	}
	if !id.Valid(ids[0]) || uuid.MustParse(ids[0]).Version() != 7 {
		t.Errorf("%s is not a UUID of version 7", ids[0])
	}
}

// T3, T13: one object has one name.
func TestValidRefusesOtherSpellings(t *testing.T) {
	t.Parallel()
	good := id.New()
	for _, bad := range []string{
		"", "*", ".", "..", "%", "null", "0", "-1",
		strings.ToUpper(good), "{" + good + "}", "urn:uuid:" + good, strings.ReplaceAll(good, "-", ""),
		good + " ", " " + good, good + ".", good + "\x00", good[:35], good[:35] + "é", good[:35] + "g",
		strings.Repeat("a", 1<<20),
	} {
		if id.Valid(bad) {
			t.Errorf("%.50q is taken for an id", bad)
		}
	}
}

func FuzzValid(f *testing.F) {
	f.Add(id.New())
	f.Add("0198C5A0-0000-7000-8000-00000000000A")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := uuid.Parse(s); id.Valid(s) != (err == nil && u.String() == s) {
			t.Errorf("Valid(%q) = %v", s, id.Valid(s))
		}
	})
}

func TestFirstIsBelowWhateverIsMadeFromThenOn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	made := id.New()
	if early := id.First(now); !id.Valid(early) || early > made {
		t.Errorf("%s is not below %s", early, made)
	}
	if late := id.First(now.Add(time.Second)); late < made {
		t.Errorf("%s is not above %s", late, made)
	}
}
