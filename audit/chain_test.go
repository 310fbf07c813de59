package audit

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// A record that was written by one version must be verified by the next: the
// hash of this event is part of the format.
func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	e := eventRow{
		TenantID: "0198c0de-0000-7000-8000-000000000001", Seq: 7, Time: time.UnixMicro(1_700_000_000_123_456).UTC(),
		Actor: "apiKey:k", OnBehalfOf: "u", Action: "query.update", ObjectType: "query", ObjectID: "q", RequestID: "r",
		Detail: `{"name":"Umsätze"}`, Previous: origin(),
	}
	const want = "228d64c75fc363ae759075f694a43765cc915479ffc4dabef8e968fe90ff56b6"
	if got := hex.EncodeToString(e.digest()); got != want {
		t.Errorf("digest is %s, want %s", got, want)
	}
	e.Time = e.Time.In(time.FixedZone("", 3600)).Add(999 * time.Nanosecond)
	if got := hex.EncodeToString(e.digest()); got != want {
		t.Error("the digest depends on the zone or on what no database keeps")
	}
}

// No text can move from one field to the next without being noticed.
func FuzzDigestSeparatesFields(f *testing.F) {
	f.Add("ab", 1)
	f.Add("\x00\x00\x00\x00\x00\x00\x00\x01a", 8)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if cut < 0 || cut > len(text) || len(text) == 0 {
			return
		}
		a := eventRow{ObjectType: text[:cut], ObjectID: text[cut:]}
		for other := range len(text) + 1 {
			b := eventRow{ObjectType: text[:other], ObjectID: text[other:]}
			if other != cut && bytes.Equal(a.digest(), b.digest()) {
				t.Fatalf("%q cut at %d and at %d have one digest", text, cut, other)
			}
		}
	})
}
