package api

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
)

// reply holds a reply back until it is whole, so that a failure half-way (a
// panic, a value that does not marshal) still becomes a problem, and an
// idempotency key can keep it.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newReply() *reply { return &reply{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (p *reply) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter; the first status counts.
func (p *reply) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

// Write implements http.ResponseWriter.
func (p *reply) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
}

func (p *reply) reset() {
	p.status = 0
	p.body.Reset()
	clear(p.header)
}

func (p *reply) sendTo(w http.ResponseWriter) {
	p.WriteHeader(http.StatusOK)
	maps.Copy(w.Header(), p.header)
	if p.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(p.body.Len()))
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body.Bytes()) // a caller that has gone cannot be told so
}

// buffered gives next a reply to fill, and sends it when next is done.
func (a *API) buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := newReply()
		a.serveRecovered(next, whole, r)
		whole.sendTo(w)
	})
}

func (a *API) serveRecovered(next http.Handler, whole *reply, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			whole.reset()
			a.panicked(whole, r, cause)
		}
	}()
	next.ServeHTTP(whole, r)
}
