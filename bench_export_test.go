package jetadmin_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// A million rows as CSV over HTTP, with the memory of the process above what it
// has when it is idle; the reader is in the same process and keeps nothing.
func BenchmarkExportCSV(b *testing.B) {
	cfg := quiet(b)
	app := jetadmintest.Start(b, cfg)
	makeShop(b, cfg.DataDir, app.Tenant.ID)
	owner := app.Client(app.Owner)
	var source, query struct{ ID string }
	owner.Call("POST", "T/datasources", object{"name": "Shop", "type": "sqlite", "settings": object{"file": "shop.db"}}).Want(http.StatusCreated).Into(&source)
	owner.Call("POST", "T/queries", object{"name": "Million", "datasourceId": source.ID, "operation": object{
		"text": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000) SELECT n AS id, 'customer ' || n AS name, n / 7.0 AS score FROM c",
	}}).Want(http.StatusCreated).Into(&query)
	login, err := app.Auth().Login(b.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(b, err)
	client := reach(b, app).bearer(login.Token).with("Accept", "text/csv")

	var spent time.Duration
	var most uint64
	for b.Loop() {
		runtime.GC()
		idle := resident(b)
		began := time.Now()
		if used := export(b, client, "/tenants/"+app.Tenant.ID+"/queries/"+query.ID+"/run"); used > idle {
			most = max(most, used-idle) // the collector may give back more than the export takes
		}
		spent += time.Since(began)
	}
	b.ReportMetric(float64(b.N)*datasource.MaxStreamRows/spent.Seconds(), "rows/s")
	b.ReportMetric(float64(most)/(1<<20), "RSS-MB-above-idle")
}

// export reads all rows and returns the most memory that was seen meanwhile.
func export(b *testing.B, c *caller, path string) (most uint64) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, c.url+"/api/v1"+path, nil)
	must(b, err)
	r.Header = c.header.Clone()
	reply, err := c.http.Do(r)
	must(b, err)
	defer reply.Body.Close()
	lines, chunk := 0, make([]byte, 64<<10)
	for {
		n, err := reply.Body.Read(chunk)
		lines += bytes.Count(chunk[:n], []byte("\n"))
		if most = max(most, resident(b)); err == io.EOF {
			break
		}
		must(b, err)
	}
	if lines != datasource.MaxStreamRows+1 || reply.Trailer.Get("X-Row-Count") != strconv.Itoa(datasource.MaxStreamRows) {
		b.Fatalf("%d lines, trailers %v", lines, reply.Trailer)
	}
	return most
}

// resident is the memory of the process that is in RAM, in bytes.
func resident(b *testing.B) uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	must(b, err)
	return pages * uint64(os.Getpagesize())
}
