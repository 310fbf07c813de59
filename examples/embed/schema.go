package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
)

// schema is the shop's own part of the database, in words that SQLite and
// PostgreSQL share. Amounts are in cents, times in seconds since 1970.
const schema = `
CREATE TABLE IF NOT EXISTS shop_user (
	id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
	job TEXT NOT NULL, -- '' = a customer
	salt TEXT NOT NULL, password TEXT NOT NULL, credit BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_session (
	token TEXT PRIMARY KEY, -- hashed
	user_id TEXT NOT NULL REFERENCES shop_user (id), expires_at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_item (
	name TEXT PRIMARY KEY, price BIGINT NOT NULL, stock BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_order (
	id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES shop_user (id),
	item TEXT NOT NULL REFERENCES shop_item (name), quantity BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_reservation (
	key TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES shop_order (id));
CREATE TABLE IF NOT EXISTS shop_setting (
	name TEXT PRIMARY KEY, value TEXT NOT NULL);`

// login is an account of the shop with the password that it was just given.
type login struct{ Email, Password string }

// stock makes goods and accounts for an empty shop; the customer is the first of
// them, the manager the last.
func stock(ctx context.Context, db *sql.DB) (logins []login, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var users int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM shop_user").Scan(&users); err != nil || users > 0 {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO shop_item (name, price, stock) VALUES ('kettle', 4900, 3), ('tea', 450, 40)")
	if err != nil {
		return nil, err
	}
	for _, u := range []struct {
		user
		credit int
	}{
		{user{Email: "customer@example.com", Name: "A customer"}, 10_000},
		{user{Email: "clerk@example.com", Name: "The clerk", Job: jobClerk}, 0},
		{user{Email: "manager@example.com", Name: "The manager", Job: jobManager}, 0},
	} {
		l := login{Email: u.Email, Password: rand.Text()}
		salt := rand.Text()
		_, err := tx.ExecContext(ctx,
			"INSERT INTO shop_user (id, email, name, job, salt, password, credit) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			rand.Text(), u.Email, u.Name, u.Job, salt, hashed(l.Password, salt), u.credit)
		if err != nil {
			return nil, err
		}
		logins = append(logins, l)
	}
	return logins, tx.Commit()
}

// setting reads what the shop has noted, "" when it has not.
func setting(ctx context.Context, db *sql.DB, name string) (value string, err error) {
	err = db.QueryRowContext(ctx, "SELECT value FROM shop_setting WHERE name = $1", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func note(ctx context.Context, db *sql.DB, name, value string) error {
	_, err := db.ExecContext(ctx, "INSERT INTO shop_setting (name, value) VALUES ($1, $2)", name, value)
	return err
}
