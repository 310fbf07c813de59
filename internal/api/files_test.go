package api

import (
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		w := setupOn(t, db, basePath)
		ada := w.as("ada").with("Content-Type", "application/octet-stream")
		tenant := w.as("ada").tenant("Acme")
		content := strings.Repeat("a,b\n", 200_000)
		made := ada.call("POST", tenant+"/files?name=orders.csv", content).want(201)
		at := tenant + "/files/" + made.text("id")
		if got := made.Header.Get("Location"); got != basePath+apiPrefix+at {
			t.Errorf("Location is %q", got)
		}
		if made.text("type") != "text/csv" || made.field("size") != float64(len(content)) || made.text("name") != "orders.csv" {
			t.Errorf("made %s", made.Body)
		}
		if one := ada.call("GET", at, nil).want(200); one.text("id") != made.text("id") {
			t.Errorf("read %s", one.Body)
		}
		if list := ada.call("GET", tenant+"/files?limit=5", nil).want(200); !strings.Contains(string(list.Body), made.text("id")) {
			t.Errorf("listed %s", list.Body)
		}
		for path, want := range map[string]int{
			tenant + "/files":                         422, // no name
			tenant + "/files?name=":                   422,
			tenant + "/files?name=a%0Ab":              422,
			tenant + "/files?name=a&type=x":           422,
			tenant + "/files?name=a&name=b":           422,
			tenant + "/files?name=" + "..%2F..%2Fetc": 201, // a name is no path
		} {
			ada.call("POST", path, "x").want(want)
		}
		ada.call("POST", tenant+"/files?name=a", content+content).want(413)
		ada.call("POST", tenant+"/files?name=a", "\x00\x01").want(422)
		ada.call("POST", tenant+"/files?name=a", "").want(422)
		for _, media := range []string{"text/plain", "text/plain; charset=utf-8", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "/"} {
			w.as("ada").with("Content-Type", media).call("POST", tenant+"/files?name=a", "x").want(415)
		}
		ada.with("Content-Encoding", "gzip").call("POST", tenant+"/files?name=a", "x").want(415)
		w.as("bob").with("Content-Type", "application/octet-stream").call("POST", tenant+"/files?name=a", "x").want(404)
		w.as("bob").call("GET", at, nil).want(404)
		ada.call("DELETE", at, nil).want(204)
		ada.call("GET", at, nil).want(404)
		ada.call("DELETE", at, nil).want(404)
	})
}
