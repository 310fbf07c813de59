package auth

import (
	"context"
	"errors"
	"time"

	"github.com/jetadmin/jetadmin/internal/oidc"
)

// The rules of Firebase's ID tokens:
// https://firebase.google.com/docs/auth/admin/verify-id-tokens
const (
	firebaseIssuer     = "https://securetoken.google.com/"
	firebaseKeys       = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
	firebaseMaxSubject = 128
)

// FirebaseConfig is a project of Firebase Authentication whose users may sign in.
type FirebaseConfig struct {
	// Check and Claims are those of [OIDCConfig].
	Check  func(ctx context.Context, claims map[string]any) error
	Claims []string

	// KeysURL is where Google's keys are, as a JSON Web Key Set; tests have others.
	// Default: Google's own address.
	KeysURL string

	// ProjectID is the id of the project, e.g. "my-shop". Required.
	ProjectID string
}

// Firebase recognises the ID tokens of a Firebase project, sent as bearer tokens.
func Firebase(projectID string) Authenticator {
	return FirebaseConfig{ProjectID: projectID}.Authenticator()
}

// Authenticator is [Firebase] with more settings. Like that of [OIDC] it belongs
// in [Config.Authenticators] itself.
func (c FirebaseConfig) Authenticator() Authenticator {
	if c.KeysURL == "" {
		c.KeysURL = firebaseKeys
	}
	return &issuer{
		cfg: OIDCConfig{
			Audiences: []string{c.ProjectID}, Check: c.Check, Claims: c.Claims, Issuer: firebaseIssuer + c.ProjectID, KeysURL: c.KeysURL,
		},
		algorithms: []string{"RS256"},
		also:       checkFirebase,
	}
}

// checkFirebase checks what Firebase promises of a token beyond OpenID Connect.
func checkFirebase(c oidc.Claims, now time.Time) error {
	since := c.Time("auth_time")
	switch {
	case len(c.Subject) > firebaseMaxSubject:
		return errors.New("the subject is too long")
	case since.IsZero() || since.After(now):
		return errors.New("auth_time is not in the past")
	}
	return nil
}
