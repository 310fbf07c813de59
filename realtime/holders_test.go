package realtime_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/realtime"
)

// counted counts what a hub asks its host.
func counted(cfg *realtime.Config) (revalidated, authorized *atomic.Int64) {
	revalidated, authorized = new(atomic.Int64), new(atomic.Int64)
	revalidate, authorize := cfg.Revalidate, cfg.Authorize
	cfg.Revalidate = func(ctx context.Context, who *auth.Principal) (*auth.Principal, error) {
		revalidated.Add(1)
		return revalidate(ctx, who)
	}
	cfg.Authorize = func(ctx context.Context, who *auth.Principal, topic realtime.Topic) (*auth.Principal, error) {
		authorized.Add(1)
		return authorize(ctx, who, topic)
	}
	return revalidated, authorized
}

// However many connections a credential has, it is checked once, and each of its
// topics once.
func TestACredentialIsCheckedOnce(t *testing.T) {
	t.Parallel()
	const connections = 20
	var revalidated, authorized *atomic.Int64
	w := setup(t, nil, func(c *realtime.Config) {
		c.Recheck = 50 * time.Millisecond
		revalidated, authorized = counted(c)
	})
	var sockets []*socket
	for range connections {
		s, _ := w.watch(t, "ann", "run:1")
		s.send(`{"id":"s","op":"subscribe","topic":"run:2"}`)
		s.want("ok")
		sockets = append(sockets, s)
	}
	r, a := revalidated.Load(), authorized.Load()
	eventually(t, patience, "there are ten checks", func() bool { return revalidated.Load() >= r+10 })
	// The counts are read one after the other, during a check maybe.
	if checks, topics := revalidated.Load()-r, authorized.Load()-a; topics > 2*checks+4 || topics < 2*checks-4 {
		t.Errorf("%d checks have asked for topics %d times", checks, topics)
	}
	w.forbid("ann", "run:1")
	for _, s := range sockets {
		if f := s.want("error"); f.Topic != "run:1" || f.Code != "subscription_ended" {
			t.Errorf("got %+v", f)
		}
	}
	w.signOut("ann")
	for _, s := range sockets {
		s.wantClose(realtime.CloseUnauthenticated)
	}
}

// T131: principals that differ in anything are checked apart: one may lose what the
// other keeps.
func TestT131_PrincipalsThatDifferAreCheckedApart(t *testing.T) {
	t.Parallel()
	var forbidden atomic.Int64
	w := setup(t, nil, func(c *realtime.Config) {
		c.Recheck = 50 * time.Millisecond
		// The token is "ann" and a number, which becomes a claim of the same user.
		c.AuthenticateToken = func(_ context.Context, token string) (*auth.Principal, error) {
			return &auth.Principal{Kind: auth.KindUser, UserID: "ann", Claims: map[string]any{"desk": strings.TrimPrefix(token, "ann")}}, nil
		}
		c.Revalidate = func(_ context.Context, who *auth.Principal) (*auth.Principal, error) {
			if who.Claims["desk"] == strconv.FormatInt(forbidden.Load(), 10) {
				return nil, nil
			}
			return who, nil
		}
	})
	one, _ := w.watch(t, "ann1", "run:1")
	two, seq := w.watch(t, "ann2", "run:1")
	forbidden.Store(1)
	one.wantClose(realtime.CloseUnauthenticated)
	w.publish(t, "run:1", "tick", 1)
	two.wantEvent(seq+1, "1")
}
