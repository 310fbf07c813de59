package jetadmin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// heldBack is a body that comes when something has happened.
type heldBack struct {
	io.Reader
	until func()
}

func (h *heldBack) Read(b []byte) (int, error) {
	if h.until != nil {
		h.until()
		h.until = nil
	}
	return h.Reader.Read(b)
}

// T30: whoever holds the body of a request back has the rights of the moment in which
// it has come, not of that in which it began.
func TestT30_ASlowBodyKeepsNoRights(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	keeper := app.Member("Admin")
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: keeper.User.Email, Password: keeper.Password})
	must(t, err)
	post := func(name string, until func()) int {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/tenants/"+app.Tenant.ID+"/roles",
			&heldBack{strings.NewReader(`{"name": "` + name + `", "permissions": ["query.list"]}`), until})
		r.Header.Set("Authorization", "Bearer "+login.Token)
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		app.ServeHTTP(answer, r)
		return answer.Code
	}
	if status := post("patient", func() { <-time.After(1100 * time.Millisecond) }); status != http.StatusCreated {
		t.Errorf("a slow body of somebody who is there: status %d", status)
	}
	status := post("gone", func() {
		must(t, app.Tenants().RemoveMember(app.Owner.Context(t.Context()), keeper.User.ID))
		<-time.After(1100 * time.Millisecond)
	})
	if status != http.StatusNotFound {
		t.Errorf("a slow body of somebody who has gone: status %d", status)
	}
}
