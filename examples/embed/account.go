package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"time"
)

// user is an account of the shop.
type user struct {
	ID, Email, Name string
	Job             string // "" = a customer
}

// The jobs of the staff.
const (
	jobClerk   = "clerk"
	jobManager = "manager"
)

const (
	cookieName = "shop_session"
	sessionFor = 8 * time.Hour
)

// signIn is the shop's own sign-in: a form, and a cookie for the answer.
func (s *shop) signIn(w http.ResponseWriter, r *http.Request) {
	var id, salt, want string
	err := s.db.QueryRowContext(r.Context(), "SELECT id, salt, password FROM shop_user WHERE email = $1", r.PostFormValue("email")).
		Scan(&id, &salt, &want)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		fail(w, err)
		return
	}
	// An unknown address takes as long as a wrong password.
	if got := hashed(r.PostFormValue("password"), salt); subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		http.Error(w, "the e-mail address or the password is wrong", http.StatusUnauthorized)
		return
	}
	token := rand.Text()
	_, err = s.db.ExecContext(r.Context(), "INSERT INTO shop_session (token, user_id, expires_at) VALUES ($1, $2, $3)",
		digest(token), id, time.Now().Add(sessionFor).Unix())
	if err != nil {
		fail(w, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(sessionFor.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	w.WriteHeader(http.StatusNoContent)
}

// signedIn is who makes a request; nil is nobody.
func (s *shop) signedIn(r *http.Request) (*user, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, nil
	}
	var u user
	err = s.db.QueryRowContext(r.Context(), `SELECT u.id, u.email, u.name, u.job FROM shop_user u
		JOIN shop_session s ON s.user_id = u.id WHERE s.token = $1 AND s.expires_at > $2`, digest(cookie.Value), time.Now().Unix()).
		Scan(&u.ID, &u.Email, &u.Name, &u.Job)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &u, err
}

// staff lists who works in the shop, managers first.
func (s *shop) staff(ctx context.Context) (all []user, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, email, name, job FROM shop_user WHERE job <> '' ORDER BY job DESC, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u user
		if err := rows.Scan(&u.ID, &u.Email, &u.Name, &u.Job); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// hashed is a password as it is kept; the rounds are those that OWASP asks for.
func hashed(password, salt string) string {
	key, err := pbkdf2.Key(sha512.New, password, []byte(salt), 210_000, 32)
	if err != nil {
		panic(err) // only for lengths that a program gets wrong
	}
	return hex.EncodeToString(key)
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
