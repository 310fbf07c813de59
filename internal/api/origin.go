package api

import (
	"net/http"
	"slices"

	"github.com/jetadmin/jetadmin/problem"
)

// What pages of allowed origins may send and read beside the plainest headers.
const (
	sharedMethods = "GET, POST, PUT, PATCH, DELETE"
	sharedRequest = "Authorization, Content-Type, If-Match, X-API-Key, X-Request-Id, " + viewAsHeader + ", " + idempotencyHeader
	sharedReply   = "ETag, Location, Retry-After, X-Request-Id, " + replayedHeader
)

// checkOrigin refuses requests that a page of another site makes a browser send
// with the credentials it holds.
func (a *API) checkOrigin(r *http.Request) error {
	if err := a.origins.Check(r); err != nil {
		return problem.New(problem.Forbidden, "cross_origin", "requests from other sites are not accepted").
			Fix("send it from a page of this server, or let the server allow the origin (Config.AllowedOrigins)")
	}
	if safe(r.Method) || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return nil
	}
	// A browser says where such a request comes from. Cookies without that, and
	// without a credential that a page has to know, may have been sent unwillingly.
	if r.Header.Get("Cookie") != "" && r.Header.Get("Authorization") == "" && r.Header.Get("X-Api-Key") == "" {
		return problem.New(problem.Forbidden, "cross_origin", "a change with nothing but a cookie must say where it comes from").
			Fix("send the header Origin, or use an API key")
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// shareWithOrigin lets a page of an allowed origin read the reply (CORS), and
// answers the question that its browser asks first.
func (a *API) shareWithOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(a.cfg.AllowedOrigins) == 0 {
		return false
	}
	h, origin := w.Header(), r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	if !slices.Contains(a.cfg.AllowedOrigins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", sharedReply)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	h.Set("Access-Control-Allow-Headers", sharedRequest)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
