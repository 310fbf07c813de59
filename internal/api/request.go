package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/peer"
	"github.com/jetadmin/jetadmin/internal/requestid"
)

// client is what handlers need to know of the other side.
type client struct {
	address   string // without the port
	userAgent string
	secure    bool // the browser speaks TLS, to us or to a proxy in front
}

type (
	clientKey    struct{}
	operationKey struct{}
)

func (a *API) withRequest(r *http.Request) context.Context {
	ctx := requestid.NewContext(r.Context(), requestIDOf(r.Header.Get("X-Request-Id")))
	from := peer.Client(r, a.cfg.TrustedProxies)
	// The one truth for keys, limits and the record: also for who asks below.
	address, _ := peer.Address(from)
	ctx = auth.WithAddress(ctx, address)
	return context.WithValue(ctx, clientKey{}, client{
		address:   from,
		userAgent: r.UserAgent(),
		secure:    a.secure(r),
	})
}

// secure reports whether the browser speaks TLS: to us, or by what the host or a
// proxy says. Forging the header only adds the Secure flag to the forger's own
// cookie. Of several proxies the first one has spoken with the browser.
func (a *API) secure(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return r.TLS != nil || strings.HasPrefix(a.cfg.PublicURL, "https://") || strings.EqualFold(strings.TrimSpace(first), "https")
}

func clientOf(ctx context.Context) client {
	c, _ := ctx.Value(clientKey{}).(client)
	return c
}

func operationOf(ctx context.Context) string {
	op, _ := ctx.Value(operationKey{}).(string)
	return op
}

// requestIDOf keeps the id that a proxy gave a request, if it is one that can
// stand in a log line without doing harm.
func requestIDOf(given string) string {
	if len(given) < 8 || len(given) > 64 {
		return id.New()
	}
	for _, c := range given {
		if isSpecial(c) || c == '/' {
			return id.New()
		}
	}
	return given
}

// setHeaders sets what every reply carries, whatever becomes of it.
func (a *API) setHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", requestid.FromContext(r.Context()))
}

// panicked answers for a handler that panicked. net/http's own way to abort a
// reply passes.
func (a *API) panicked(w http.ResponseWriter, r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	a.fail(w, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
}
