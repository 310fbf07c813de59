package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/cron"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of settings.
const (
	MaxInvitationDomains = 50
	MaxAPIKeyDays        = 3650
	maxLogoURL           = 2000 // characters
)

// Settings are what a tenant decides for itself. The zero value is the defaults.
type Settings struct {
	TimeZone          string   `json:"timeZone" maxLength:"1000" doc:"IANA name of the zone of a schedule that names none when it is made; default UTC"`
	LogoURL           string   `json:"logoUrl" maxLength:"10000" doc:"https URL of at most 2,000 characters, shown beside the name; empty = none"`
	InvitationDomains []string `json:"invitationDomains" maxItems:"1000" doc:"domains of the e-mail addresses that are let in, at most 50, each compared as a whole; none = all"`
	APIKeyMaxDays     int      `json:"apiKeyMaxDays" doc:"within how many days, 1 to 3650, an API key that is made or changed must expire; 0 = there is no limit"`

	// Version is the tenant's, which rises with every change of it. Of a change it is
	// the version that the change is based on, 0 = whatever it is.
	Version int `json:"version,omitempty" minimum:"1" doc:"of the tenant, rises with every change; of a change: the version that was read, another is refused"`
}

// Settings returns those of the caller's tenant. It needs tenant.read.
//
// Errors: Unauthenticated, Forbidden, NotFound.
func (s *Service) Settings(ctx context.Context) (Settings, error) {
	who, err := s.authorizeTenant(ctx, auth.TenantRead)
	if err != nil {
		return Settings{}, err
	}
	return s.SettingsIn(ctx, s.db.DB, who.TenantID)
}

// SettingsIn are the settings that hold for a tenant now. It asks for no right. db may
// be a transaction. Errors: NotFound.
func (s *Service) SettingsIn(ctx context.Context, db bun.IDB, tenantID string) (Settings, error) {
	row := new(tenantRow)
	err := db.NewRaw("SELECT settings, version FROM ?schema.jet_tenant WHERE id = ? AND deleted_at IS NULL", tenantID).Scan(ctx, row)
	if store.IsMissing(err) {
		return Settings{}, problem.Missing("tenant")
	}
	if err != nil {
		return Settings{}, fmt.Errorf("read the settings: %w", err)
	}
	return row.settings()
}

// SetSettings gives the caller's tenant other settings, all of them. They hold for what
// is made from then on: schedules and API keys stay as they are; an invitation that is
// open is judged when it is accepted. It needs tenant.update.
//
// Errors: Unauthenticated, Forbidden, NotFound; Invalid with every fault; Stale.
func (s *Service) SetSettings(ctx context.Context, in Settings) (Settings, error) {
	who, err := s.authorizeTenant(ctx, auth.TenantUpdate)
	if err != nil {
		return Settings{}, err
	}
	based := in.Version
	if in, err = in.checked(); err != nil {
		return Settings{}, err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.lockTenant(ctx, tx, who.TenantID); err != nil {
			return err
		}
		before, err := s.SettingsIn(ctx, tx, who.TenantID)
		if err != nil {
			return err
		}
		if err := checkVersion(based, before.Version); err != nil {
			return err
		}
		in.Version = before.Version + 1
		if err := s.storeSettings(ctx, tx, who.TenantID, in); err != nil {
			return err
		}
		return s.audit(ctx, tx, tenantEntry(who.TenantID, "tenant.settings", before.state(), in.state()))
	})
	if err != nil {
		return Settings{}, err
	}
	return in, nil
}

func (s *Service) storeSettings(ctx context.Context, tx bun.IDB, tenantID string, in Settings) error {
	text, err := in.text()
	if err != nil {
		return err
	}
	_, err = tx.NewRaw("UPDATE ?schema.jet_tenant SET settings = ?, updated_at = ?, version = ? WHERE id = ?",
		text, s.clock.Now(), in.Version, tenantID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// checked finds everything that is wrong with settings, and puts them into one
// spelling.
func (in Settings) checked() (Settings, error) {
	in = in.whole()
	var f problem.Faults
	_, ok := cron.Zone(in.TimeZone)
	f.Check(ok, "timeZone", `is not the IANA name of a time zone, like "Europe/Berlin"`)
	checkLogo(&f, in.LogoURL)
	checkDomains(&f, in.InvitationDomains)
	f.Check(in.APIKeyMaxDays >= 0 && in.APIKeyMaxDays <= MaxAPIKeyDays, "apiKeyMaxDays", fmt.Sprintf("must be 0, for no limit, to %d", MaxAPIKeyDays))
	in.InvitationDomains = slices.Compact(slices.Sorted(slices.Values(in.InvitationDomains)))
	return in.whole(), f.Err("settings_invalid", "the settings are not valid")
}

// whole has the defaults in the place of what is not set.
func (in Settings) whole() Settings {
	if in.TimeZone == "" {
		in.TimeZone = "UTC"
	}
	if in.InvitationDomains == nil {
		in.InvitationDomains = []string{}
	}
	return in
}

func checkLogo(f *problem.Faults, logo string) {
	if logo == "" {
		return
	}
	f.Check(utf8.RuneCountInString(logo) <= maxLogoURL, "logoUrl", fmt.Sprintf("must have at most %d characters", maxLogoURL))
	u, err := url.Parse(logo)
	plain := text.OneLine(logo) && !strings.ContainsFunc(logo, unicode.IsSpace)
	f.Check(err == nil && plain && strings.HasPrefix(logo, "https://") && u.Hostname() != "", "logoUrl", "must begin with https:// and be a URL without spaces")
	f.Check(err != nil || u.User == nil, "logoUrl", "must have no user name and password")
}

// state is what a change of the settings can change, for the record, which takes
// whatever is called an API key for a secret.
func (in Settings) state() map[string]any {
	return map[string]any{
		"timeZone": in.TimeZone, "logoUrl": in.LogoURL, "invitationDomains": in.InvitationDomains, "keyMaxDays": in.APIKeyMaxDays,
	}
}

// text is what the tenant's row keeps.
func (in Settings) text() (string, error) {
	in.Version = 0
	text, err := json.Marshal(in)
	return string(text), err
}

func (r *tenantRow) settings() (in Settings, err error) {
	if err := json.Unmarshal([]byte(r.Settings), &in); err != nil {
		return in, fmt.Errorf("read the settings of a tenant: %w", err)
	}
	in.Version = r.Version
	return in.whole(), nil
}
