package realtime

import (
	"encoding/json"
	"net/http"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// ServeHTTP upgrades a request to a connection. It returns at once; the
// connection lives until one side closes it or the hub stops.
//
// A request that is refused gets a reply of RFC 9457: 400 for a query string
// (the endpoint takes none, and a credential never belongs in a URL), 401 for a
// bad credential, 403 for a foreign origin, 429 after too many bad credentials, 503 when the hub is not running or
// is full. A page of a browser, which is not shown such replies, is told of its bad
// credential by [CloseUnauthenticated].
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		refuse(w, http.StatusBadRequest, problem.New(problem.Invalid, "query_not_allowed",
			"this address takes no parameters; send the credential as a header, a cookie or an auth frame"))
		return
	}
	if err := h.origins.check(r); err != nil {
		refuse(w, http.StatusForbidden, err)
		return
	}
	h.upgrade(w, r, ownFrames{})
}

// upgrade makes the connection on which a protocol is spoken.
func (h *Hub) upgrade(w http.ResponseWriter, r *http.Request, p protocol) {
	who, err := h.whoUpgrades(r)
	isOver := lostRight(err)
	if isOver && r.Header.Get("Origin") == "" {
		refuse(w, http.StatusUnauthorized, errNobody)
		return
	}
	if problem.Is(err, problem.RateLimited) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, err)
		return
	}
	if err != nil && !isOver {
		h.cfg.Logger.ErrorContext(r.Context(), "realtime: cannot authenticate an upgrade", "error", err)
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	full, err := h.admit()
	if err != nil {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	c := newClient(h, p, who, auth.RequestAddress(r))
	full = full || !c.countAs(c.who)
	if c.conn, err = accept(w, r, h.cfg.WriteTimeout, c.allowMessage); err != nil {
		c.cancel()
		h.release(c.party)
		return // the library has replied
	}
	switch {
	case full:
		c.end(CloseFull, tooMany)
	case isOver:
		c.end(CloseUnauthenticated, errNobody.Message)
	}
	h.register(c)
	go c.run()
}

func (h *Hub) whoUpgrades(r *http.Request) (who *auth.Principal, err error) {
	if h.cfg.Authenticate == nil {
		return nil, nil
	}
	err = h.safely(r.Context(), func() error {
		who, err = h.cfg.Authenticate(r)
		return err
	})
	return who, err
}

func refuse(w http.ResponseWriter, status int, err error) {
	e := problem.Of(err)
	body, err := json.Marshal(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": e.Message, "code": e.Code,
	})
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
