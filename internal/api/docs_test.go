package api

import (
	"regexp"
	"strings"
	"testing"
)

// T117: the page works under a policy that allows nothing inline and nothing from
// elsewhere, and pages of elsewhere have no hold on its window.
func TestT117_DocsPage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for path, mediaType := range map[string]string{
		"/docs":          "text/html; charset=utf-8",
		"/docs/docs.js":  "text/javascript; charset=utf-8",
		"/docs/docs.css": "text/css; charset=utf-8",
	} {
		answer := w.anonymous().call("GET", path, nil).want(200)
		if got := answer.Header.Get("Content-Type"); got != mediaType {
			t.Errorf("%s comes as %q", path, got)
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if got := answer.Header.Get("Cross-Origin-Opener-Policy"); got != "same-origin" {
			t.Errorf("%s: the opener's policy is %q", path, got)
		}
		text := string(answer.Body)
		if found := regexp.MustCompile(`(?i)https?://|//[a-z]+\.|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\sstyle=|\son[a-z]+=|<script>|<style|javascript:`).FindString(text); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
	page := string(w.anonymous().call("GET", "/docs", nil).Body)
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if link[1] == "openapi.json" {
			continue // needs a sign-in, which the page offers
		}
		w.anonymous().call("GET", "/"+link[1], nil).want(200)
	}
	w.anonymous().call("GET", "/openapi.json", nil).want(401)
	w.anonymous().call("POST", "/docs", nil).want(405)
}
