package auth_test

import (
	"slices"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// A view stays with its principal, in a tenant and in a context, and is nobody's to change.
func TestAViewStaysWithItsPrincipal(t *testing.T) {
	t.Parallel()
	who := &auth.Principal{Kind: auth.KindAPIKey, KeyID: "k", UserID: "u", TenantID: "t", Roles: []string{"admin"}}
	other := &auth.Principal{Kind: auth.KindUser, UserID: "m", TenantID: "elsewhere", Roles: []string{"viewer"}}
	member := who.ViewingAs(other.ViewingAs(who))
	other.Roles[0] = "owner"
	for _, p := range []*auth.Principal{member, member.InTenant("t", []string{"editor"}), auth.FromContext(auth.NewContext(t.Context(), member))} {
		viewed := p.Viewed()
		if p.Actor() != "apiKey:k" || p.Viewing() != "user:m" || viewed.TenantID != "t" || !slices.Equal(viewed.Roles, []string{"viewer"}) || viewed.Viewed() != nil {
			t.Errorf("%+v views %+v", p, viewed)
		}
		if err := p.MayChange(); !problem.Is(err, problem.Forbidden) || problem.Of(err).Remedy == "" {
			t.Error(err)
		}
	}
	if who.Viewed() != nil || who.Viewing() != "" || who.MayChange() != nil {
		t.Errorf("the caller himself views %v", who.Viewed())
	}
	if of := who.ViewingAs(&auth.Principal{Kind: auth.KindUser, Roles: []string{"r"}}).Viewing(); of != "role:r" {
		t.Error(of)
	}
	person := &auth.Principal{Kind: auth.KindUser, UserID: "u", TenantID: "t"}
	if _, err := auth.Person(auth.NewContext(t.Context(), person.ViewingAs(other))); !problem.Is(err, problem.Forbidden) {
		t.Errorf("somebody who views changes his account: %v", err)
	}
}
