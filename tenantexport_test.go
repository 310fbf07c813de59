package jetadmin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
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
		granted := w.app.Member(rbac.Viewer)
		for _, at := range []string{"/roles/" + w.places["roles/id"].existing, "/members/" + granted.User.ID} {
			owner.call("PUT", T+at+"/grants", object{"grants": []object{{"permission": "query.read", "effect": "allow"}}}).want(http.StatusOK)
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
			} else if keys := slices.Sorted(maps.Keys(data)); last.Type == "tenant" && !slices.Equal(keys, []string{"createdAt", "createdBy", "id", "limits", "logoUrl", "name", "runSettings", "settings", "suspendedAt", "updatedAt", "version"}) {
				t.Errorf("the tenant has %v", keys)
			} else if path, ok := data["path"]; last.Type == "webhook" && (!ok || path != "") {
				t.Errorf("the path of a webhook: %s", line)
			}
		}
		if last.Type != "end" || !maps.Equal(last.Counts, counts) {
			t.Errorf("%v lines, the last is %+v", counts, last)
		}
		want := map[string]bool{"tenant": true}
		for table, in := range inExport {
			rows, lines := 0, int64(0)
			must(t, db.NewRaw("SELECT count(*) FROM ?schema."+table+" WHERE tenant_id = ?"+in.but, w.app.Tenant.ID).Scan(t.Context(), &rows))
			for _, kind := range in.types {
				want[kind] = true
				lines += counts[kind]
			}
			if len(in.types) > 0 && lines != int64(rows) {
				t.Errorf("%d lines of the %d rows in %s", lines, rows, table)
			}
		}
		if types := slices.Sorted(maps.Keys(counts)); !slices.Equal(types, slices.Sorted(maps.Keys(want))) {
			t.Errorf("types %v, want %v", types, slices.Sorted(maps.Keys(want)))
		}
		if regexp.MustCompile(`jai_|jak_\w{20}`).Match(got.Body) {
			t.Error("a secret of a key or an invitation")
		}
		if counts["member"] != 63 || counts["workflow"] != 2 || counts["workflowVersion"] != 2 || counts["tenant"] != 1 {
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

// inExport says of each table of tenants by which types an export has its rows, or why
// it has none.
var inExport = map[string]struct {
	types    []string
	but, why string
}{
	"jet_api_key":          {types: []string{"apiKey"}, but: " AND revoked_at IS NULL"},
	"jet_audit":            {types: []string{"auditEvent"}, but: " AND action <> 'audit.export'"},
	"jet_audit_head":       {why: "the record is a chain by itself"},
	"jet_datasource":       {types: []string{"datasource"}},
	"jet_event":            {why: "of runs"},
	"jet_execution":        {why: "executions"},
	"jet_file":             {types: []string{"file"}},
	"jet_file_piece":       {why: "the content of files"},
	"jet_grant":            {types: []string{"roleGrant", "memberGrant"}},
	"jet_idempotency":      {why: "answers to requests, for a day"},
	"jet_invitation":       {types: []string{"invitation"}},
	"jet_member":           {types: []string{"member"}},
	"jet_member_role":      {why: "in member"},
	"jet_owner":            {why: "what is exported says who made it"},
	"jet_query":            {types: []string{"query"}},
	"jet_query_version":    {types: []string{"queryVersion"}},
	"jet_role":             {types: []string{"role"}},
	"jet_run":              {why: "runs"},
	"jet_run_data":         {why: "of runs"},
	"jet_run_item":         {why: "of runs"},
	"jet_run_log":          {why: "of runs"},
	"jet_run_loop":         {why: "of runs"},
	"jet_run_node":         {why: "of runs"},
	"jet_run_output":       {why: "of runs"},
	"jet_run_payload":      {why: "of runs"},
	"jet_run_response":     {why: "of runs"},
	"jet_run_settings":     {why: "in tenant"},
	"jet_run_slot":         {why: "of runs"},
	"jet_schedule":         {types: []string{"schedule"}},
	"jet_wait":             {why: "of runs"},
	"jet_wait_assignee":    {why: "of runs"},
	"jet_webhook":          {types: []string{"webhook"}},
	"jet_webhook_delivery": {why: "of runs"},
	"jet_widget_link":      {why: "of runs"},
	"jet_workflow":         {types: []string{"workflow"}, but: " AND deleted_at IS NULL"},
	"jet_workflow_version": {types: []string{"workflowVersion"}},
}

// What a tenant has is in an export, or it is said why not.
func TestEveryTableOfTenantsIsExported(t *testing.T) {
	t.Parallel()
	db := testdb.SQLite(t) // a test of package store holds the dialects to one shape
	var tables []string
	err := db.NewRaw(`SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.name = 'tenant_id'`).Scan(t.Context(), &tables)
	must(t, err)
	for _, table := range tables {
		if in, said := inExport[table]; !said || (len(in.types) == 0) == (in.why == "") {
			t.Errorf("%s is not exported, and nothing says why: add it to App.ExportTenant, or say so here", table)
		}
	}
	for table := range inExport {
		if !slices.Contains(tables, table) {
			t.Errorf("%s is no table of tenants", table)
		}
	}
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
