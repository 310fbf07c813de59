package postgres_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

// cancelRequest is the code of a request to cancel, in the place of a version:
// https://www.postgresql.org/docs/current/protocol-message-formats.html
const cancelRequest = 80877102

// Case T92: a request to cancel that the server has no use for, because it came before
// the statement, is repeated.
func TestT92_ALostCancelRequestIsRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := net.JoinHostPort(b.settings.String("host"), fmt.Sprint(b.settings.Int("port")))
	var requests atomic.Int32
	port := serve(t, func(client net.Conn) {
		first := make([]byte, 8)
		if _, err := io.ReadFull(client, first); err != nil {
			return
		}
		if binary.BigEndian.Uint32(first[4:]) == cancelRequest && requests.Add(1) == 1 {
			return // it is lost
		}
		backend, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer backend.Close()
		if _, err := backend.Write(first); err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(backend, client)
			_ = backend.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, backend)
	})
	conn, err := b.connector.Open(t.Context(), b.at(port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	op, err := b.connector.Parse(b.text("SELECT pg_sleep(60), '" + b.schema + "-lost'"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := func() (n int) {
		err := b.direct.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1", "%"+b.schema+"-lost%").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	await := func(what string, n int, within time.Duration) {
		t.Helper()
		for deadline := time.Now().Add(within); running() != n; <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d run after %s", what, running(), within)
			}
		}
	}
	failed := make(chan error, 1)
	go func() {
		rows, err := conn.Query(ctx, datasource.Statement{Operation: op, MaxRows: 1, MaxBytes: 1 << 20})
		if err == nil {
			_, err = rows.Next()
			_ = rows.Close()
		}
		failed <- err
	}()
	await("the statement begins", 1, 10*time.Second)
	cancel()
	await("the statement ends", 0, 2*time.Second)
	if err := <-failed; err == nil {
		t.Error("the statement was cancelled, and gave a row")
	}
	if n := requests.Load(); n < 2 {
		t.Errorf("%d requests to cancel", n)
	}
}
