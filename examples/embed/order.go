package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/workflow"
)

// order is what a customer gets to know of his order.
type order struct {
	ID  string `json:"order"`
	Run string `json:"run"`
}

var (
	errNoItem   = errors.New("the shop does not have that")
	errNoCredit = errors.New("the credit is too small")
)

// placeOrder is the handler of the form.
func (s *shop) placeOrder(w http.ResponseWriter, r *http.Request) {
	customer, err := s.signedIn(r)
	if err != nil {
		fail(w, err)
		return
	}
	quantity, faulty := strconv.Atoi(r.PostFormValue("quantity"))
	switch {
	case customer == nil:
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	case faulty != nil || quantity < 1 || quantity > 100:
		http.Error(w, "quantity must be 1 to 100", http.StatusBadRequest)
		return
	}
	placed, err := s.place(r.Context(), customer.ID, r.PostFormValue("item"), quantity)
	switch {
	case errors.Is(err, errNoItem), errors.Is(err, errNoCredit):
		http.Error(w, err.Error(), http.StatusConflict)
		return
	case err != nil:
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(placed) // the customer is gone
}

// place stores an order, starts its workflow and takes the money, in one
// transaction: when any of it fails, there was neither an order nor a run.
func (s *shop) place(ctx context.Context, customerID, item string, quantity int) (order, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return order{}, err
	}
	defer tx.Rollback() // does nothing after the Commit

	var price int
	err = tx.QueryRowContext(ctx, "SELECT price FROM shop_item WHERE name = $1", item).Scan(&price)
	if errors.Is(err, sql.ErrNoRows) {
		return order{}, errNoItem
	}
	if err != nil {
		return order{}, err
	}
	o := order{ID: rand.Text()}
	_, err = tx.ExecContext(ctx, "INSERT INTO shop_order (id, user_id, item, quantity) VALUES ($1, $2, $3, $4)", o.ID, customerID, item, quantity)
	if err != nil {
		return order{}, err
	}
	// The shop starts the run by itself, with the one right that this takes.
	start := s.inTenant(ctx, auth.Grant{Permission: auth.WorkflowExecute, ObjectID: s.workflowID})
	run, err := s.app.Workflows().StartTx(start, tx, workflow.StartParams{WorkflowID: s.workflowID, Input: map[string]any{"order": o.ID}})
	if err != nil {
		return order{}, err
	}
	o.Run = run.ID
	paid, err := tx.ExecContext(ctx, "UPDATE shop_user SET credit = credit - $1 WHERE id = $2 AND credit >= $1", price*quantity, customerID)
	if err != nil {
		return order{}, err
	}
	if n, err := paid.RowsAffected(); err != nil || n == 0 {
		return order{}, errors.Join(errNoCredit, err)
	}
	return o, tx.Commit()
}
