package workflow_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/workflow"
)

// What a run answers reaches whoever called. It gives no orders to what stands in
// between, and does not speak for the host.
func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Content-Type": true, "cache-control": true, "X-Order": true, "x-request-count": true,
		"Set-Cookie": false, "Access-Control-Allow-Origin": false, "Content-Length": false, "Strict-Transport-Security": false,
		"X-Accel-Redirect": false, "x-sendfile": false, "X-Lighttpd-Send-File": false,
		"X-": false, "X-A B": false, "X-A\r\nSet-Cookie": false, "X-A:": false, "": false,
	} {
		if got := workflow.ResponseHeader(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
