package jetadmin_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// floods is how many clients try passwords at a time.
const floods = 64

// What others feel of a flood of log-ins, each from an address and for an account of
// its own, so that no throttle but that of the hashes holds it. The yardstick is the
// same request in the same run without the flood.
func BenchmarkLoginFlood(b *testing.B) {
	cfg := quiet(b)
	db := testdb.Postgres(b)
	cfg.DB, cfg.Schema = db.DB.DB, db.Schema()
	app := jetadmintest.Start(b, cfg)
	login, err := app.Auth().Login(b.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(b, err)
	list := func() time.Duration {
		request := httptest.NewRequest(http.MethodGet, "/api/v1/tenants/"+app.Tenant.ID+"/queries?limit=20", nil)
		request.Header.Set("Authorization", "Bearer "+login.Token)
		answer, began := httptest.NewRecorder(), time.Now()
		app.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			b.Fatalf("status %d: %s", answer.Code, answer.Body)
		}
		return time.Since(began)
	}
	list() // loads what is kept
	var quiet, flooded []time.Duration
	for range b.N {
		quiet = append(quiet, paced(list))
	}
	var tried atomic.Int64
	stop := floodLogins(app, &tried)
	began := time.Now()
	for range b.N {
		flooded = append(flooded, paced(list))
	}
	took := time.Since(began)
	stop()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(percentile(quiet, 99).Microseconds())/1000, "quiet-p99-ms")
	b.ReportMetric(float64(percentile(flooded, 99).Microseconds())/1000, "flooded-p99-ms")
	b.ReportMetric(float64(percentile(quiet, 50).Microseconds())/1000, "quiet-p50-ms")
	b.ReportMetric(float64(percentile(flooded, 50).Microseconds())/1000, "flooded-p50-ms")
	b.ReportMetric(float64(tried.Load())/took.Seconds(), "logins/s")
}

// paced leaves time between requests, as a person or a page does.
func paced(ask func() time.Duration) time.Duration {
	<-time.After(2 * time.Millisecond)
	return ask()
}

func percentile(all []time.Duration, n int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*n/100)]
}

// floodLogins tries passwords until stop.
func floodLogins(app http.Handler, tried *atomic.Int64) (stop func()) {
	var ended atomic.Bool
	var clients sync.WaitGroup
	for range floods {
		clients.Go(func() {
			for !ended.Load() {
				n := tried.Add(1)
				body := fmt.Appendf(nil, `{"email": "nobody%d@example.test", "password": "a wrong password"}`, n)
				request := httptest.NewRequest(http.MethodPost, "/api/v1/auth/login", bytes.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				request.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
				app.ServeHTTP(httptest.NewRecorder(), request)
			}
		})
	}
	return func() {
		ended.Store(true)
		clients.Wait()
	}
}
