package httpapi

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

const (
	maxPublic = 300      // characters of the words of an answer that are shown
	maxRead   = 16 << 10 // bytes of them that are looked at
)

// API is one API with a client and credentials of its own. It is safe for
// concurrent use.
type API struct {
	base    *url.URL
	headers map[string]string
	client  *http.Client
	auth    Auth
	cancel  context.CancelFunc
	release func() // of the connections to a token URL
	closed  atomic.Bool
}

// New makes an API that is reached by the policy, with headers that every request
// carries.
func New(base *url.URL, headers map[string]string, auth Auth, policy egress.Policy) *API {
	return &API{base: base, headers: headers, client: policy.Client(), auth: auth, cancel: func() {}, release: func() {}}
}

// Granter is a way to get access tokens: [ClientCredentials] or a
// [ServiceAccount].
type Granter interface{ grant() grant }

// NewWithTokens is [New] with access tokens as credentials.
func NewWithTokens(base *url.URL, headers map[string]string, granter Granter, policy egress.Policy) *API {
	a := New(base, headers, nil, policy)
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	a.auth, a.release = newTokens(ctx, granter.grant(), policy)
	return a
}

// Base is the base URL.
func (a *API) Base() *url.URL { return a.base }

// Close ends the connections.
func (a *API) Close() error {
	a.closed.Store(true)
	a.cancel()
	a.client.CloseIdleConnections()
	a.release()
	return nil
}

// Answer is what came back: the whole of it, whatever the status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Failed reports whether the status is not one of success. Redirects that led on
// were followed; one that leads nowhere is a failure.
func (a *Answer) Failed() bool { return !succeeded(a.Status) }

func succeeded(status int) bool { return status >= 200 && status < 300 }

// Code is the status as the code of a refusal.
func (a *Answer) Code() string { return strconv.Itoa(a.Status) }

// Send sends a request and reads its answer, of at most limit bytes. When the API
// refuses an access token, it is sent once more with a new one. No answer, a
// broken one, and one that wants fewer requests are a problem.Error.
func (a *API) Send(ctx context.Context, c *Call, limit int64) (*Answer, error) {
	reply, err := a.exchange(ctx, c)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if err := movedAway(c, reply); err != nil {
		return nil, err
	}
	if reply.StatusCode == http.StatusTooManyRequests {
		return nil, busy(reply)
	}
	body, err := egress.ReadAll(reply.Body, limit)
	if err != nil {
		err = brokenError(err)
		if c.Writes && succeeded(reply.StatusCode) {
			err = carriedOut(err)
		}
		return nil, err
	}
	// A byte order mark is no part of a document (RFC 8259, section 8.1).
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF")))
	return &Answer{reply.StatusCode, reply.Header, body}, nil
}

func (a *API) exchange(ctx context.Context, c *Call) (*http.Response, error) {
	r, reply, err := a.once(ctx, c)
	if err == nil && reply.StatusCode == http.StatusUnauthorized && egress.SameOrigin(reply.Request.URL, c.URL) && a.auth.refused(r) && repeatable(c, reply) {
		_ = reply.Body.Close()
		_, reply, err = a.once(ctx, c)
	}
	return reply, err
}

func (a *API) once(ctx context.Context, c *Call) (*http.Request, *http.Response, error) {
	if a.closed.Load() {
		return nil, nil, connectError(net.ErrClosed)
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, c.URL.String(), bytes.NewReader(c.Body))
	if err != nil {
		return nil, nil, errURL()
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "jetadmin")
	for name, value := range a.headers {
		r.Header.Set(name, value)
	}
	maps.Copy(r.Header, c.Header)
	if err := a.auth.apply(ctx, r); err != nil {
		return nil, nil, err
	}
	reply, err := a.client.Do(r)
	if err != nil {
		return nil, nil, connectError(err)
	}
	return r, reply, nil
}

// repeatable reports whether a request that was answered 401 did nothing yet: when
// it was redirected, what came before the redirect may have been carried out.
func repeatable(c *Call, reply *http.Response) bool {
	return !c.mayWrite() || reply.Request.Response == nil
}

// movedAway refuses the answer of another origin to a request that should have
// written, as that origin got neither its body nor its credentials (T74), and the
// answer to the GET that a client makes of it after 301 and 302: both would look
// like success. After 303 the GET is how to see what was done.
func movedAway(c *Call, reply *http.Response) error {
	if !c.mayWrite() {
		return nil
	}
	for at := reply.Request; at.Response != nil; at = at.Response.Request {
		lost := at.Method != at.Response.Request.Method && at.Response.StatusCode != http.StatusSeeOther
		if lost || !egress.SameOrigin(at.URL, c.URL) {
			return Refused("the API redirected a "+c.Method+" request, and it is not known whether it was carried out; make the address that it leads to the base URL", "")
		}
	}
	return nil
}

// Ping sends a request. Any answer is a sign of life, but for one that refuses
// the credentials.
func (a *API) Ping(ctx context.Context, c *Call) error {
	reply, err := a.exchange(ctx, c)
	if err != nil {
		return err
	}
	_ = reply.Body.Close()
	if reply.StatusCode == http.StatusUnauthorized || reply.StatusCode == http.StatusForbidden {
		return CredentialsRefused()
	}
	return nil
}

// Refusal is the error of an answer that says no: with the status, and with the
// words of the API behind it, if there are any.
func (a *API) Refusal(answer *Answer, words, code string) error {
	message := "the API refused"
	if answer.Failed() {
		message = "the API answered " + statusText(answer.Status)
	}
	if words = a.Public(words); words != "" {
		message += ": " + words
	}
	return Refused(message, a.Public(code))
}

// Public makes a text of the other side fit to be shown: one line of bounded
// length, without the secrets that it may repeat. No more of it is worked on than
// can be shown, and what a secret that was cut there leaves goes with the cut.
func (a *API) Public(text string) string {
	secrets, longest := a.secrets()
	cut := len(text) > maxRead+longest
	text = text[:min(len(text), maxRead+longest)]
	for _, form := range secrets {
		text = strings.ReplaceAll(text, form, secret.Mask)
	}
	if cut {
		text = text[:max(0, len(text)-longest)]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return unicode.IsControl(r) || r == ' ' }), " ")
	if short := []rune(text); len(short) > maxPublic {
		text = string(short[:maxPublic]) + "…"
	}
	return text
}

// secrets lists the forms in which a secret may come back.
func (a *API) secrets() (forms []string, longest int) {
	for _, value := range a.auth.reveal() {
		if value == "" {
			continue
		}
		for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
			forms, longest = append(forms, form), max(longest, len(form))
		}
	}
	return forms, longest
}
