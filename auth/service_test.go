package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// New names every field that is wrong, at once.
func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	_, err := auth.New(auth.Config{
		Authenticators: []auth.Authenticator{nil},
		SessionIdle:    time.Minute,
		SessionMax:     time.Second,
	})
	if err == nil {
		t.Fatal("an empty configuration is accepted")
	}
	for _, field := range []string{"Audit", "Authenticators[0]", "Authorize", "DB", "Members", "Pages", "SessionIdle", "SessionMax"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}
