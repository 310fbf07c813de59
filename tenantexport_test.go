package jetadmin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/rbac"
)

// An export has everything that the lists have, says at its end how much it was, and
// is in the record.
func TestExportOfATenant(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		_, foreign, _ := w.foreign()
		owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		for range 60 { // more than a page
			w.app.Member(rbac.Viewer)
		}
		foreign.call("GET", T+"/export", nil).want(http.StatusNotFound)
		owner.call("GET", T+"/export?format=csv", nil).want(http.StatusUnprocessableEntity)
		got := owner.call("GET", T+"/export", nil).want(http.StatusOK)
		if got.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%v", got.Header)
		}
		counts := map[string]int64{}
		var last jetadmin.ExportLine
		for line := range bytes.Lines(got.Body) {
			last = jetadmin.ExportLine{}
			must(t, json.Unmarshal(line, &last))
			if last.Type == "end" {
				break
			}
			counts[last.Type]++
			if data, ok := last.Data.(map[string]any); !ok || len(data) < 4 {
				t.Errorf("%s", line)
			} else if path, ok := data["path"]; last.Type == "webhook" && (!ok || path != "") {
				t.Errorf("the path of a webhook: %s", line)
			}
		}
		if last.Type != "end" || !maps.Equal(last.Counts, counts) {
			t.Errorf("%v lines, the last is %+v", counts, last)
		}
		want := []string{"auditEvent", "datasource", "file", "member", "query", "queryVersion", "role", "schedule", "tenant", "webhook", "workflow", "workflowVersion"}
		if types := slices.Sorted(maps.Keys(counts)); !slices.Equal(types, want) {
			t.Errorf("types %v", types)
		}
		if counts["member"] != 62 || counts["workflow"] != 2 || counts["workflowVersion"] != 2 || counts["tenant"] != 1 {
			t.Errorf("%v", counts)
		}
		events := owner.call("GET", T+"/audit?action=tenant.export", nil).want(http.StatusOK)
		if !bytes.Contains(events.Body, []byte(w.app.Owner.User.ID)) || !bytes.Contains(got.Body, []byte(`"tenant.export"`)) {
			t.Errorf("recorded %s", events.Body)
		}
		stop := errors.New("enough")
		err := w.app.ExportTenant(w.app.Owner.Context(t.Context()), func(jetadmin.ExportLine) error { return stop })
		if !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		// The right to export is none to see what the lists do not show.
		alone := w.keyOf(w.app.Owner, auth.TenantExport, auth.TenantRead)
		alone.call("GET", T+"/export", nil).want(http.StatusForbidden)
		for range 20 {
			if err = w.app.ExportTenant(w.app.Owner.Context(t.Context()), func(jetadmin.ExportLine) error { return stop }); !errors.Is(err, stop) {
				break
			}
		}
		if problem.KindOf(err) != problem.RateLimited {
			t.Errorf("many exports: %v", err)
		}
	})
}

// T30: an export ends within a second of its caller's right, in the middle.
func TestT30_TheExportOfATenantEndsWithTheRight(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := w.app.Member(rbac.Owner)
		lines := 0
		err := w.app.ExportTenant(second.Context(t.Context()), func(jetadmin.ExportLine) error {
			if lines++; lines == 1 {
				must(t, w.app.Tenants().RemoveMember(w.app.Owner.Context(t.Context()), second.User.ID))
				<-time.After(1100 * time.Millisecond)
			}
			return nil
		})
		if !problem.Is(err, problem.NotFound) && !problem.Is(err, problem.Forbidden) && !problem.Is(err, problem.Unauthenticated) || lines != 1 {
			t.Errorf("%d lines, then %v", lines, err)
		}
	})
}
