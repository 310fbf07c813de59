package audit

import (
	"context"

	"github.com/uptrace/bun"
)

// Entry is one change, as the service that made it tells it. Who did it, when,
// and in which request is added by the [Log].
type Entry struct {
	TenantID   string // "" = not of a tenant (sign-in, accounts)
	Action     string // "resource.action" in the words of the permissions, e.g. "query.update"
	ObjectType string // e.g. "query"
	ObjectID   string // "" when the change has no single object

	// Before and After are the object as it was and as it is, each something that
	// is an object in JSON; nil = there was none, or there is none any more. Of two,
	// only the members that differ are kept.
	Before, After any

	// Detail is what else there is to know.
	Detail map[string]any
}

// Record writes an entry with the statements of the change it belongs to: db is
// the transaction of that change, so that both are kept or neither. Secrets in it
// are masked and long values cut, but what is known to be a secret should not be
// handed over at all. [Log.Record] is the implementation; services take it as a
// function.
type Record func(ctx context.Context, db bun.IDB, e Entry) error

// Actor is who made a change.
type Actor struct {
	Name       string // "user:<id>", "apiKey:<id>", "service:<name>"; "anonymous" before sign-in
	OnBehalfOf string // the user id behind a key or service; may be empty
	Viewing    string // whom he sees the tenant as, "user:<id>" or "role:<id>"; empty = as himself
}
