package jetadmin_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/api"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

// The matrix of H1 finds nothing in the App as it is, and each of these faults in a copy
// that is broken on purpose. A finding names the callers.
func TestH1_TheMatrixFindsBrokenHandlers(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	w := emptyWorld(t, testdb.SQLite(t), cfg)
	owner, err := w.app.Auth().Login(t.Context(), auth.Credentials{Email: w.app.Owner.User.Email, Password: w.app.Owner.Password})
	must(t, err)
	b := &breakable{sound: w.app, owner: "Bearer " + owner.Token, tenant: w.app.Tenant.ID}
	w.anybody = serve(t, b, cfg.BasePath)
	w.fill(cfg)
	actors := w.actors()
	insiders := []string{"a member without any right", "a member with every other right", "a key whose scopes lack it"}
	onObjects := append([]string{"a member who has it on another object", "a member who is denied this object alone"}, insiders...)

	for _, c := range []struct {
		name      string
		operation string
		fault     fault
		finds     []string // callers, or what is said
	}{
		{"nothing", "getQuery", nil, nil},
		{"nothing", "updateQuery", nil, nil},
		{"nothing", "runQuery", nil, nil},
		{"does not authorise", "getQuery", (*breakable).withoutAuthorising, onObjects},
		{"does not authorise a list", "listRoles", (*breakable).withoutAuthorising, insiders},
		{"does not authorise who has no tenant", "changePassword", (*breakable).withoutAuthorising, []string{"a key whose scopes lack it", "a key of another tenant"}},
		{"does not authorise the other way to answer", "runQuery", (*breakable).streamingWithoutAuthorising, onObjects},
		{"reads by the id alone", "getQuery", (*breakable).byTheIDAlone, []string{"the owner of another tenant, at home"}},
		{"lets in whoever has an account", "listRoles", (*breakable).intoAnyTenant, []string{"the owner of another tenant:", "a member who left"}},
		{"does it and refuses then", "updateQuery", (*breakable).refusingTooLate, []string{"has changed jet_query", "has changed jet_audit"}},
		{"says what is there", "getQuery", (*breakable).tellingWhatIsThere, []string{"what is there gets"}},
		{"tells a name", "getQuery", (*breakable).tellingAName, []string{`the refusal tells "` + canary + `"`}},
		{"refuses in a way of its own", "listRoles", (*breakable).refusingAsText, []string{`the refusal is "text/plain`}},
		{"looks at a credential", "getLiveness", (*breakable).publicForSome, []string{"as nobody 200"}},
	} {
		t.Run(c.name+", "+c.operation, func(t *testing.T) {
			found := &findings{}
			w.report = found
			b.fault.Store(&c.fault)
			w.refuses(w.operation(c.operation), actors)
			b.fault.Store(nil)
			if (len(c.finds) == 0) != (len(found.all) == 0) {
				t.Errorf("finds %q", found.all)
			}
			for _, want := range c.finds {
				if !slices.ContainsFunc(found.all, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("no finding says %q: %q", want, found.all)
				}
			}
		})
	}
}

// findings is what the matrix reports.
type findings struct{ all []string }

func (f *findings) Errorf(format string, args ...any) {
	f.all = append(f.all, fmt.Sprintf(format, args...))
}

func (w *world) operation(id string) api.Operation {
	w.t.Helper()
	operations := w.app.Operations()
	i := slices.IndexFunc(operations, func(op api.Operation) bool { return op.ID == id })
	if i < 0 {
		w.t.Fatalf("there is no operation %q", id)
	}
	return operations[i]
}

// fault is a mistake that a handler could make. answer is what the sound one says.
type fault func(b *breakable, r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder

// breakable is the App with at most one fault.
type breakable struct {
	sound  http.Handler
	owner  string // authorization of the first tenant's owner
	tenant string
	fault  atomic.Pointer[fault]
}

func (b *breakable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	answer := b.do(r, r.URL.Path, r.Header.Get("Authorization"), body)
	if f := b.fault.Load(); f != nil && *f != nil {
		answer = (*f)(b, r, body, answer)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length") // of the sound answer
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// do asks the sound App.
func (b *breakable) do(r *http.Request, path, authorization string, body []byte) *httptest.ResponseRecorder {
	asked := r.Clone(r.Context())
	asked.URL.Path, asked.URL.RawPath, asked.RequestURI = path, "", path
	asked.Body = io.NopCloser(bytes.NewReader(body))
	if asked.Header.Del("Authorization"); authorization != "" {
		asked.Header.Set("Authorization", authorization)
	}
	answer := httptest.NewRecorder()
	b.sound.ServeHTTP(answer, asked)
	return answer
}

// asOwner does what was asked for, whoever asks and in whatever tenant.
func (b *breakable) asOwner(r *http.Request, body []byte) *httptest.ResponseRecorder {
	path := r.URL.Path
	if before, rest, ok := strings.Cut(path, "/tenants/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		path = before + "/tenants/" + b.tenant + "/" + rest
	}
	return b.do(r, path, b.owner, body)
}

func (b *breakable) withoutAuthorising(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code != http.StatusForbidden {
		return answer
	}
	if strings.Contains(r.URL.Path, "/tenants/") {
		return b.asOwner(r, body)
	}
	return text(http.StatusOK, "{}")
}

func (b *breakable) streamingWithoutAuthorising(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if r.Header.Get("Accept") != "text/csv" {
		return answer
	}
	return b.withoutAuthorising(r, body, answer)
}

func (b *breakable) byTheIDAlone(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code != http.StatusNotFound || strings.Contains(r.URL.Path, b.tenant) {
		return answer
	}
	return b.asOwner(r, body)
}

func (b *breakable) intoAnyTenant(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code != http.StatusNotFound {
		return answer
	}
	return b.asOwner(r, body)
}

func (b *breakable) refusingTooLate(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code == http.StatusForbidden {
		b.asOwner(r, body)
	}
	return answer
}

func (b *breakable) tellingWhatIsThere(r *http.Request, body []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code < http.StatusBadRequest || b.asOwner(r, body).Code != http.StatusNotFound {
		return answer
	}
	changed := bytes.Replace(answer.Body.Bytes(), []byte(`"detail":"`), []byte(`"detail":"by the way: `), 1)
	answer.Body.Reset()
	answer.Body.Write(changed)
	return answer
}

func (b *breakable) tellingAName(_ *http.Request, _ []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code == http.StatusForbidden {
		changed := bytes.Replace(answer.Body.Bytes(), []byte(`"detail":"`), []byte(`"detail":"of `+canary+`query: `), 1)
		answer.Body.Reset()
		answer.Body.Write(changed)
	}
	return answer
}

func (b *breakable) refusingAsText(_ *http.Request, _ []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if answer.Code == http.StatusForbidden {
		answer.Header().Set("Content-Type", "text/plain")
	}
	return answer
}

func (b *breakable) publicForSome(r *http.Request, _ []byte, answer *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if r.Header.Get("Authorization") != "" {
		return text(http.StatusUnauthorized, "{}")
	}
	return answer
}

func text(status int, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", "application/json")
	answer.Code = status
	answer.Body.WriteString(body)
	return answer
}
