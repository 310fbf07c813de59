package api

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const wholeSettings = `{"timeZone":"Europe/Berlin","logoUrl":"https://example.com/a.png","invitationDomains":["example.com"],"apiKeyMaxDays":30`

// The settings are replaced as a whole, by who has seen them.
func TestSettingsAreReplaced(t *testing.T) {
	t.Parallel()
	ada := setup(t).as("ada")
	tenant := ada.tenant("Acme")
	at := tenant + "/settings"
	first := ada.call("GET", at, nil).want(200)
	if got := string(first.Body); got != `{"timeZone":"UTC","logoUrl":"","invitationDomains":[],"apiKeyMaxDays":0,"version":1}`+"\n" || first.Header.Get("ETag") != `"1"` {
		t.Errorf("the defaults are %s, %s", got, first.Header.Get("ETag"))
	}
	ada.call("PUT", at, string(first.Body)).want(200)
	set := ada.with("If-Match", `"2"`).call("PUT", at, wholeSettings+`}`).want(200)
	if set.Header.Get("ETag") != `"3"` || set.text("timeZone") != "Europe/Berlin" || set.field("version") != 3.0 {
		t.Errorf("set to %s", set.Body)
	}
	ada.with("If-Match", `"2"`).call("PUT", at, wholeSettings+`}`).want(412)
	ada.call("PUT", at, wholeSettings+`,"version":1}`).want(412)
	ada.with("If-Match", `"3"`).call("PUT", at, wholeSettings+`,"version":2}`).want(422)
	for _, way := range []string{tenant, "/tenants", "/auth/me"} {
		if got := ada.call("GET", way, nil).want(200); !strings.Contains(string(got.Body), `"logoUrl":"https://example.com/a.png"`) {
			t.Errorf("%s: %s", way, got.Body)
		}
	}
}

// Everything that is wrong is told at once, each fault at its place.
func TestFaultsOfSettings(t *testing.T) {
	t.Parallel()
	ada := setup(t).as("ada")
	at := ada.tenant("Acme") + "/settings"
	for body, want := range map[string][]string{
		`{}`: {"apiKeyMaxDays", "invitationDomains", "logoUrl", "timeZone"},
		wholeSettings + `,"locale":"de","TimeZone":"UTC"}`:                                                                  {"TimeZone", "locale"},
		`{"timeZone":"Mars/Base","logoUrl":"ftp://x","invitationDomains":["example.com","Example.com"],"apiKeyMaxDays":-1}`: {"apiKeyMaxDays", "invitationDomains.1", "logoUrl", "timeZone"},
		`{"timeZone":null,"logoUrl":5,"invitationDomains":"example.com","apiKeyMaxDays":1.5}`:                               {"apiKeyMaxDays", "invitationDomains", "logoUrl", "timeZone"},
	} {
		faults := map[string]bool{}
		for _, fault := range ada.call("PUT", at, body).want(422).problem().Errors {
			faults[fault.Path] = true
		}
		if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, want) {
			t.Errorf("%s: faults at %q, want %q", body, got, want)
		}
	}
	if got := ada.call("GET", at, nil).want(200); got.field("version") != 1.0 {
		t.Errorf("changed to %s", got.Body)
	}
}
