package auth

import "testing"

// What is in a context does not change with the value it was made of.
func TestContextKeepsACopy(t *testing.T) {
	t.Parallel()
	p := &Principal{
		Kind: KindUser, UserID: "u", Roles: []string{"viewer"}, Scopes: []Permission{"run.read"},
		Grants: []Grant{{Permission: "run.read"}}, Claims: map[string]any{"group": "sales"},
	}
	ctx := NewContext(t.Context(), p)
	p.UserID, p.Roles[0], p.Scopes[0], p.Grants[0].Permission, p.Claims["group"] = "v", "owner", "*", "*", "board"

	got := FromContext(ctx)
	if got.UserID != "u" || got.Roles[0] != "viewer" || got.Scopes[0] != "run.read" ||
		got.Grants[0].Permission != "run.read" || got.Claims["group"] != "sales" {
		t.Errorf("the principal of the context became %+v", got)
	}
	if FromContext(t.Context()) != nil || FromContext(NewContext(t.Context(), nil)) != nil {
		t.Error("a context without a principal has one")
	}
}
