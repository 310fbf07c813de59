package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	tokenTimeout  = 20 * time.Second
	maxTokenReply = 64 << 10
	maxToken      = 16 << 10
	unknownLife   = time.Hour      // of a token whose reply does not say
	maxLife       = 24 * time.Hour // a reply can say anything
	tokenLeeway   = time.Minute    // a token is not used this shortly before its end
)

// grant asks a token URL for an access token, and says what of it is secret.
type grant struct {
	url     *url.URL
	request func(now time.Time) (form url.Values, header http.Header, err error)
	secret  []string
}

// tokens is an [Auth] with one access token: fetched when it is first needed, by
// one for all who wait, and kept until shortly before its end or until the API
// refuses it.
type tokens struct {
	grant  grant
	client *http.Client
	now    func() time.Time
	ctx    context.Context // ends with the API
	flight singleflight.Group

	mu      sync.Mutex
	current token
}

type token struct {
	value string
	until time.Time
}

// newTokens keeps to the policy of the API, and follows no redirects: what a
// token URL is sent is meant for it alone (T75).
func newTokens(ctx context.Context, g grant, policy egress.Policy) (*tokens, func()) {
	transport := policy.Transport()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &tokens{grant: g, client: client, now: time.Now, ctx: ctx}, transport.CloseIdleConnections
}

func (t *tokens) apply(ctx context.Context, r *http.Request) error {
	value, err := t.get(ctx)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+value)
	}
	return err
}

// refused forgets the token of a request, unless another has taken its place.
func (t *tokens) refused(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Header.Get("Authorization") == "Bearer "+t.current.value {
		t.current = token{}
	}
	return true
}

func (t *tokens) reveal() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{t.current.value}, t.grant.secret...)
}

func (t *tokens) get(ctx context.Context) (string, error) {
	if value, ok := t.kept(); ok {
		return value, nil
	}
	// The fetch is nobody's own: who leaves does not take it from those who wait.
	fetched := t.flight.DoChan("", func() (any, error) {
		if value, ok := t.kept(); ok {
			return value, nil
		}
		return t.fetch()
	})
	select {
	case result := <-fetched:
		value, _ := result.Val.(string)
		return value, result.Err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (t *tokens) kept() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current.value, t.current.value != "" && t.now().Before(t.current.until)
}

func (t *tokens) fetch() (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, tokenTimeout)
	defer cancel()
	asked := t.now()
	status, body, err := t.ask(ctx, asked)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", tokenRefused(status, body)
	}
	got, err := readToken(body, asked)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = got
	return got.value, nil
}

func (t *tokens) ask(ctx context.Context, now time.Time) (status int, body []byte, err error) {
	form, header, err := t.grant.request(now)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.grant.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, errURL()
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	reply, err := t.client.Do(r)
	if err != nil {
		return 0, nil, ofTokenURL(connectError(err))
	}
	defer reply.Body.Close()
	if body, err = egress.ReadAll(reply.Body, maxTokenReply); err != nil {
		return 0, nil, ofTokenURL(brokenError(err))
	}
	return reply.StatusCode, body, nil
}

// readToken reads a reply of RFC 6749, section 5.1.
func readToken(body []byte, asked time.Time) (token, error) {
	var reply struct {
		Value   string          `json:"access_token"`
		Type    string          `json:"token_type"`
		Expires json.RawMessage `json:"expires_in"` // a number; some write it as a string
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return token{}, badToken("is not JSON")
	}
	switch {
	case reply.Value == "" || len(reply.Value) > maxToken || strings.ContainsFunc(reply.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return token{}, badToken("holds no access token")
	case reply.Type != "" && !strings.EqualFold(reply.Type, "bearer"):
		return token{}, badToken("holds a token that is no bearer token")
	}
	life := unknownLife
	if seconds, err := strconv.ParseFloat(strings.Trim(string(reply.Expires), `"`), 64); err == nil {
		life = time.Duration(min(max(seconds, 0), maxLife.Seconds())) * time.Second
	}
	return token{reply.Value, asked.Add(life - min(tokenLeeway, life/4))}, nil
}

func badToken(what string) error {
	return problem.New(problem.Upstream, "token_invalid", "the answer of the token URL "+what).Fix("check the token URL of the datasource")
}

// tokenRefused tells the error code of RFC 6749, section 5.2; the other words of
// an answer stay where they are.
func tokenRefused(status int, body []byte) error {
	var reply struct {
		Code string `json:"error"`
	}
	_ = json.Unmarshal(body, &reply)
	message := "the token URL answered " + statusText(status)
	switch reply.Code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		message += ": " + reply.Code
	}
	return problem.New(problem.Upstream, "token_refused", message).
		Fix("check the credentials, the scope and the token URL of the datasource")
}

// ofTokenURL says which of the two addresses failed.
func ofTokenURL(err error) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Kind != problem.Upstream {
		return err
	}
	return problem.New(e.Kind, e.Code, "no access token: "+strings.Replace(e.Message, "the API", "the token URL", 1)).
		Fix("check the token URL of the datasource").Because(e.Cause)
}
