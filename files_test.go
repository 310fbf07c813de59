package jetadmin_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/upload"
)

func TestAnUploadedWorkbookBecomesADatasource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testdb.SQLite(t))
	owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
	content, err := os.Open("internal/xlsx/testdata/excelize.xlsx")
	must(t, err)
	defer content.Close()
	file, err := w.app.Files().Create(w.app.Owner.Context(t.Context()), upload.NewFile{Name: "book.xlsx", Content: content})
	must(t, err)
	if file.Type != upload.TypeExcel {
		t.Errorf("the type is %s", file.Type)
	}
	source := owner.call("POST", T+"/datasources", object{"name": "book", "type": "excel", "settings": object{"file": file.ID}}).want(http.StatusCreated).text("id")
	got := owner.call("POST", T+"/queries/test", object{"datasourceId": source, "operation": object{"columns": []string{"whole", "day", "flag"}, "where": []object{{"column": "whole", "op": "gt", "value": 0}}}}).want(http.StatusOK)
	if !strings.Contains(string(got.Body), `"rows":[[42,"2024-02-29",true],["9007199254740993","1900-01-01",null]]`) {
		t.Errorf("got %s", got.Body)
	}
}

// A file is uploaded, becomes a datasource, is queried, and cannot be taken away
// while it is one. What another tenant uploaded is not there.
func TestAnUploadedFileBecomesADatasource(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		owner, T := w.signedIn(w.app.Owner), "/tenants/"+w.app.Tenant.ID
		var content strings.Builder
		content.WriteString("country;amount\n")
		for i := range 50_000 { // more than one piece
			fmt.Fprintf(&content, "%s;%d.5\n", []string{"NL", "SE"}[i%2], i)
		}
		file, err := w.app.Files().Create(w.app.Owner.Context(t.Context()), upload.NewFile{Name: "orders.csv", Content: strings.NewReader(content.String())})
		must(t, err)
		source := owner.call("POST", T+"/datasources", object{"name": "orders", "type": "csv", "settings": object{"file": file.ID}}).want(http.StatusCreated).text("id")
		query := owner.call("POST", T+"/queries", object{
			"name": "of a country", "datasourceId": source, "params": []object{{"name": "country", "type": "string", "required": true}},
			"operation": object{"where": []object{{"column": "country", "value": "{{ country }}"}, {"column": "amount", "op": "gt", "value": 49_990}}},
		}).want(http.StatusCreated).text("id")
		got := owner.call("POST", T+"/queries/"+query+"/run", object{"params": object{"country": "SE"}}).want(http.StatusOK)
		var result struct {
			RowCount int
			Rows     [][]any
		}
		got.into(&result)
		if result.RowCount != 5 || fmt.Sprint(result.Rows[4]) != "[SE 49999.5]" {
			t.Errorf("got %s", got.Body)
		}
		owner.call("GET", T+"/datasources/"+source+"/schema", nil).want(http.StatusOK)
		inUse := owner.call("DELETE", T+"/files/"+file.ID, nil).want(http.StatusConflict)
		if !strings.Contains(string(inUse.Body), "orders") {
			t.Errorf("got %s", inUse.Body)
		}

		foreign, stranger, _ := w.foreign()
		// T5: refused when it is saved, and when it was put into the database by other means.
		refused := stranger.call("POST", "/tenants/"+foreign+"/datasources", object{"name": "x", "type": "csv", "settings": object{"file": file.ID}}).want(http.StatusUnprocessableEntity)
		if !strings.Contains(string(refused.Body), "settings.file") {
			t.Errorf("the file of another tenant: %s", refused.Body)
		}
		own, err := w.app.Files().Create(auth.NewContext(t.Context(), auth.ServicePrincipal(foreign, "test", auth.Grant{Permission: "*"})), upload.NewFile{Name: "own.csv", Content: strings.NewReader("a,b\n1,2\n")})
		must(t, err)
		theirs := stranger.call("POST", "/tenants/"+foreign+"/datasources", object{"name": "x", "type": "csv", "settings": object{"file": own.ID}}).want(http.StatusCreated).text("id")
		_, err = db.NewRaw("UPDATE ?schema.jet_datasource SET settings = replace(settings, ?, ?) WHERE tenant_id = ? AND id = ?", own.ID, file.ID, foreign, theirs).Exec(t.Context())
		must(t, err)
		answer := stranger.call("POST", "/tenants/"+foreign+"/queries/test", object{"datasourceId": theirs, "operation": object{}}).want(http.StatusBadGateway)
		if !strings.Contains(string(answer.Body), "file_missing") {
			t.Errorf("the file of another tenant: %s", answer.Body)
		}
		stranger.call("DELETE", "/tenants/"+foreign+"/files/"+file.ID, nil).want(http.StatusNotFound)

		owner.call("DELETE", T+"/queries/"+query, nil).want(http.StatusNoContent)
		owner.call("DELETE", T+"/datasources/"+source, nil).want(http.StatusNoContent)
		owner.call("DELETE", T+"/files/"+file.ID, nil).want(http.StatusNoContent)
	})
}
