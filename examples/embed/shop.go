package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jetadmin/jetadmin"
)

// shop is the program: its database, and the control plane that it mounts.
type shop struct {
	app        *jetadmin.App
	db         *sql.DB
	tenantID   string // of the one tenant that the shop needs
	workflowID string // what happens after an order
}

// openShop opens the shop, and stocks it when it is empty; then it returns the
// new accounts. Who gets a shop stops its App.
func openShop(ctx context.Context, db *sql.DB, cfg jetadmin.Config) (*shop, []login, error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, nil, fmt.Errorf("make the tables of the shop: %w", err)
	}
	logins, err := stock(ctx, db)
	if err != nil {
		return nil, nil, fmt.Errorf("stock the shop: %w", err)
	}
	s := &shop{db: db}
	err = s.mount(ctx, cfg)
	if err == nil {
		err = s.furnish(ctx)
	}
	if err != nil && s.app != nil {
		err = errors.Join(err, s.app.Stop(ctx))
	}
	return s, logins, err
}

// routes are the shop's own and, below /admin, those of the control plane. The
// latter checks the origin of requests by itself.
func (s *shop) routes() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Welcome to the shop. The staff goes to /admin/api/v1/docs.")
	})
	own.HandleFunc("POST /sign-in", s.signIn)
	own.HandleFunc("POST /orders", s.placeOrder)

	mux := http.NewServeMux()
	mux.Handle("/", http.NewCrossOriginProtection().Handler(own))
	mux.Handle("/admin/", s.app)
	return mux
}

func fail(w http.ResponseWriter, err error) {
	slog.Error("shop", "error", err)
	http.Error(w, "something went wrong", http.StatusInternalServerError)
}
