package realtime

import (
	"fmt"
	"strings"
	"testing"
)

func frames(b *outbox) string {
	var all []string
	for o := b.pop(); o != nil; o = b.pop() {
		all = append(all, string(o.frame))
	}
	return strings.Join(all, " ")
}

func TestOutboxCoalescesOnceHalfFull(t *testing.T) {
	t.Parallel()
	one, two := new(subscription), new(subscription)
	for name, c := range map[string]struct {
		push []outgoing
		want string
		full bool
	}{
		"plenty of room": {
			push: []outgoing{{sub: one, key: "k"}, {sub: one, key: "k"}},
			want: "0 1",
		},
		"newest wins, and keeps its place in the order": {
			push: []outgoing{{sub: one, key: "a"}, {sub: one, key: "b"}, {sub: one}, {sub: one, key: "a"}, {sub: one, key: "b"}, {sub: one, key: "a"}},
			want: "2 4 5",
		},
		"of another topic": {
			push: []outgoing{{sub: one, key: "a"}, {sub: one}, {sub: one}, {sub: two, key: "a"}},
			want: "0 1 2 3",
		},
		"without a key nothing is left out": {
			push: []outgoing{{sub: one}, {sub: one}, {sub: one}, {sub: one}, {sub: one}},
			want: "0 1 2 3", full: true,
		},
	} {
		b := newOutbox(4, 1000)
		full := false
		for i, o := range c.push {
			o.frame = fmt.Append(nil, i)
			full = !b.push(&o)
		}
		if got := frames(b); got != c.want || full != c.full {
			t.Errorf("%s: got %q, full %v; want %q, full %v", name, got, full, c.want, c.full)
		}
		if b.size != 0 || b.bytes != 0 || len(b.states) != 0 || b.first != nil || b.last != nil {
			t.Errorf("%s: an empty outbox holds %+v", name, b)
		}
	}
}

func TestOutboxIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	b := newOutbox(100, 10)
	if !b.push(&outgoing{frame: make([]byte, 50)}) {
		t.Error("a frame that is larger than the queue does not fit into an empty one")
	}
	if b.push(&outgoing{frame: make([]byte, 1)}) {
		t.Error("there is room in a full queue")
	}
	b.pop()
	if !b.push(&outgoing{frame: make([]byte, 10)}) || b.push(&outgoing{frame: make([]byte, 1)}) {
		t.Error("the limit is not 10 bytes")
	}
}

func TestOutboxClose(t *testing.T) {
	t.Parallel()
	for keep, want := range map[bool]string{true: "a b", false: ""} {
		b := newOutbox(4, 1000)
		b.push(&outgoing{frame: []byte("a"), key: "k"})
		b.push(&outgoing{frame: []byte("b")})
		b.close(keep)
		if !b.push(&outgoing{frame: []byte("late")}) {
			t.Error("a closed outbox has no room")
		}
		if got := frames(b); got != want {
			t.Errorf("keep %v: got %q, want %q", keep, got, want)
		}
	}
}
