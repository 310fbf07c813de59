// Command embed is a small shop that was there before: it has users, a sign-in
// and tables of its own. It mounts the control plane below /admin for its staff,
// and starts a workflow inside the transaction that stores an order.
//
//	go run ./examples/embed
//
// What is the shop's is in account.go, order.go and schema.go. What ties the
// control plane to it is in control.go, and its step of a workflow in reserve.go.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jetadmin/jetadmin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "embed: "+strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

// errUsage is for flags that the flag package has complained about.
var errUsage = errors.New("the flags are not valid")

const (
	patience     = 10 * time.Second // with a database that does not answer
	farewell     = 15 * time.Second // for requests and workflow nodes under way
	headerSlowly = 10 * time.Second // for a client to send its headers
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("embed", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8081", "`address` to listen on")
	data := flags.String("data", "./shop-data", "`folder` of the database and the key")
	postgres := flags.String("postgres", "", "`DSN` of a PostgreSQL database to use instead of a file in -data")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer listener.Close()
	db, err := openDB(ctx, *postgres, *data)
	if err != nil {
		return err
	}
	defer db.Close()
	s, logins, err := openShop(ctx, db, jetadmin.Config{
		DataDir: *data, Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer func() {
		leaving, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		err = errors.Join(err, s.app.Stop(leaving))
	}()
	s.greet(stdout, "http://"+listener.Addr().String(), logins)
	return serve(ctx, s.routes(), listener)
}

// openDB opens the shop's database, which holds the tables of both.
func openDB(ctx context.Context, dsn, folder string) (*sql.DB, error) {
	if dsn == "" {
		return jetadmin.OpenSQLite(ctx, filepath.Join(folder, "shop.db"))
	}
	db, err := jetadmin.OpenPostgres(dsn)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("-postgres: the database cannot be reached: %w", err), db.Close())
	}
	return db, nil
}

// greet tells how to use the shop; the passwords only when they were just made.
func (s *shop) greet(w io.Writer, url string, logins []login) {
	fmt.Fprintf(w, "the shop listens on %s (stop with Ctrl-C)\n", url)
	if len(logins) == 0 {
		return
	}
	fmt.Fprintln(w, "\nThese passwords are shown this once:")
	for _, l := range logins {
		fmt.Fprintf(w, "  %-22s %s\n", l.Email, l.Password)
	}
	customer, manager := logins[0], logins[len(logins)-1]
	fmt.Fprintf(w, `
# as a customer: sign in, order, order what is too dear
curl -s -c customer.txt %[1]s/sign-in -d email=%[2]s -d password=%[3]s
curl -s -b customer.txt %[1]s/orders -d item=tea -d quantity=2
curl -s -b customer.txt %[1]s/orders -d item=kettle -d quantity=9

# as the manager: look at the runs that the orders started
curl -s -c manager.txt %[1]s/sign-in -d email=%[4]s -d password=%[5]s
curl -s -b manager.txt %[1]s/admin/api/v1/tenants/%[6]s/runs
`, url, customer.Email, customer.Password, manager.Email, manager.Password, s.tenantID)
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, handler http.Handler, listener net.Listener) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerSlowly}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	leaving, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	return server.Shutdown(leaving)
}
