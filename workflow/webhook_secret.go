package workflow

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

// webhookSecretMark begins every secret, so that one that leaks is recognised.
const webhookSecretMark = "jws_"

func newWebhookSecret() string { return webhookSecretMark + randomText(32) }

// newWebhookKey is the part of a webhook's path that nobody can guess.
func newWebhookKey() string { return randomText(webhookKeyBytes) }

const webhookKeyBytes = 24

func isWebhookKey(key string) bool {
	b, err := base64.RawURLEncoding.DecodeString(key)
	return err == nil && len(b) == webhookKeyBytes && !strings.ContainsAny(key, "\r\n")
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// The bounds of how long two secrets are good.
const (
	DefaultSecretOverlap = Duration(24 * time.Hour)
	maxSecretOverlap     = Duration(30 * 24 * time.Hour)
)

// RotateWebhookSecret gives a webhook another secret and returns it; it is never
// shown again. The one before stays good for the overlap, so that the sender can
// be told in peace; 0 ends it at once. version is the one that was read, 0 = any.
//
// Errors: Conflict for a public webhook, which has no secret; Invalid for an
// overlap of more than 30 days.
func (s *Service) RotateWebhookSecret(ctx context.Context, webhookID string, overlap Duration, version int) (hook Webhook, newSecret string, err error) {
	who, err := s.cfg.Authorize(ctx, auth.WebhookUpdate, webhookID)
	if err != nil {
		return Webhook{}, "", err
	}
	var f problem.Faults
	f.Check(overlap >= 0 && overlap <= maxSecretOverlap, "overlap", "must be 0s to 30d")
	if err := f.Err("webhook_invalid", "the secret cannot be rotated"); err != nil {
		return Webhook{}, "", err
	}
	row, err := readWebhook(ctx, s.cfg.DB.DB, who.TenantID, webhookID, nil)
	if err != nil {
		return Webhook{}, "", err
	}
	// Whoever has the secret starts the workflow.
	if _, err := s.cfg.Authorize(ctx, auth.WorkflowExecute, row.WorkflowID); err != nil {
		return Webhook{}, "", err
	}
	if row.Mode == WebhookPublic {
		return Webhook{}, "", problem.New(problem.Conflict, "webhook_public", "a public webhook has no secret")
	}
	before := row.state()
	if err := s.retireSecret(&row, time.Duration(overlap)); err != nil {
		return Webhook{}, "", err
	}
	newSecret = newWebhookSecret()
	if err := s.sealSecret(&row, newSecret); err != nil {
		return Webhook{}, "", err
	}
	if err := s.saveWebhook(ctx, &row, before, version, "webhook.rotate"); err != nil {
		return Webhook{}, "", err
	}
	hook, err = s.shownWebhook(&row)
	return hook, newSecret, err
}

// retireSecret makes the secret of a webhook the one before.
func (s *Service) retireSecret(row *webhookRow, overlap time.Duration) error {
	row.PreviousSecret, row.PreviousUntil = nil, nil
	if overlap == 0 || row.Secret == nil {
		return nil
	}
	current, err := s.openSecret(row, "secret", row.Secret)
	if err != nil {
		return err
	}
	sealed := s.cfg.Keys.Seal([]byte(current.Reveal()), row.place("previous_secret"))
	until := s.cfg.Clock.Now().Add(overlap)
	row.PreviousSecret, row.PreviousUntil = &sealed, &until
	return nil
}

func (s *Service) sealSecret(row *webhookRow, plain string) error {
	if s.cfg.Keys == nil {
		return problem.New(problem.Unavailable, "keys_missing", "there is no key to seal the secret with").Fix("set workflow.Config.Keys")
	}
	sealed := s.cfg.Keys.Seal([]byte(plain), row.place("secret"))
	row.Secret = &sealed
	return nil
}

// secrets are those that a delivery may prove itself with now.
func (s *Service) secrets(row *webhookRow, now time.Time) ([]secret.Text, error) {
	var list []secret.Text
	add := func(column string, sealed *string) error {
		plain, err := s.openSecret(row, column, sealed)
		list = append(list, plain)
		return err
	}
	if row.Secret != nil {
		if err := add("secret", row.Secret); err != nil {
			return nil, err
		}
	}
	if row.PreviousSecret != nil && row.PreviousUntil != nil && now.Before(*row.PreviousUntil) {
		if err := add("previous_secret", row.PreviousSecret); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Service) openSecret(row *webhookRow, column string, sealed *string) (secret.Text, error) {
	err := errors.New("there is no keyring")
	var plain []byte
	if s.cfg.Keys != nil {
		plain, err = s.cfg.Keys.Open(*sealed, row.place(column))
	}
	if err != nil {
		return secret.Text{}, problem.New(problem.Unavailable, "secrets_unreadable", "the secret of this webhook cannot be read").
			Fix("rotate it without an overlap, or give the server the key it was sealed with").Because(err)
	}
	return secret.NewText(string(plain)), nil
}

func (r *webhookRow) place(column string) string {
	return secret.Place(r.TenantID, "jet_webhook", r.ID, column)
}
