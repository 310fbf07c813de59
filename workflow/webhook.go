package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Webhook is a path at which another system starts runs of a workflow's
// published version. See docs/triggers.md for what the other system sends.
type Webhook struct {
	ID             string      `json:"id"`
	WorkflowID     string      `json:"workflowId"`
	Name           string      `json:"name"`
	Path           string      `json:"path" doc:"where deliveries go on the host's server, by POST or PUT; nobody can guess it"`
	Mode           WebhookMode `json:"mode" enum:"hmac,secret,public" doc:"how a delivery proves where it comes from"`
	Enabled        bool        `json:"enabled"`
	SecretHeader   string      `json:"secretHeader" doc:"carries the secret, in the mode secret"`
	DeliveryHeader string      `json:"deliveryHeader" doc:"carries an id that is the same when a delivery is repeated; one id starts one run"`
	Headers        []string    `json:"headers" doc:"the headers of a delivery that the run's input has"`
	ReplayWindow   Duration    `json:"replayWindow" doc:"how far the time in a signature may be from ours"`
	RatePerMinute  int         `json:"ratePerMinute" doc:"how many deliveries are taken"`
	Wait           Duration    `json:"wait" doc:"how long the reply waits for what the run answers; 0 = not at all"`
	PreviousUntil  *time.Time  `json:"previousUntil,omitempty" doc:"until when the secret before the last rotation is good too"`
	CreatedBy      string      `json:"createdBy"`
	CreatedAt      time.Time   `json:"createdAt"`
	UpdatedAt      time.Time   `json:"updatedAt"`
	Version        int         `json:"version" doc:"rises by one with every change"`
}

// WebhookMode is how a delivery proves where it comes from. It cannot be changed:
// who relies on the one would not notice the other.
type WebhookMode string

// The modes of a webhook.
const (
	WebhookHMAC   WebhookMode = "hmac"   // a signature over time and body; the default
	WebhookSecret WebhookMode = "secret" // the secret itself in a header, for senders that cannot sign
	WebhookPublic WebhookMode = "public" // not at all: whoever knows the path
)

// The headers of a delivery, unless the webhook names others.
const (
	SignatureHeader       = "Jetadmin-Signature"
	defaultSecretHeader   = "Jetadmin-Secret"
	defaultDeliveryHeader = "Jetadmin-Delivery"
)

// The limits of a webhook.
const (
	MaxWebhookBody  = 1 << 20 // bytes of a delivery
	MaxWebhookWait  = Duration(30 * time.Second)
	maxReplayWindow = Duration(time.Hour)
	maxWebhookRate  = 60_000
	maxHookHeaders  = 20

	defaultReplayWindow = Duration(5 * time.Minute)
	defaultWebhookRate  = 600
)

// NewWebhook is what [Service.CreateWebhook] needs.
type NewWebhook struct {
	WorkflowID     string      `json:"workflowId" maxLength:"100"`
	Name           string      `json:"name" minLength:"1" maxLength:"200"`
	Mode           WebhookMode `json:"mode,omitempty" enum:"hmac,secret,public" doc:"default hmac; public lets whoever knows the path start runs"`
	SecretHeader   string      `json:"secretHeader,omitempty" maxLength:"100" doc:"default Jetadmin-Secret"`
	DeliveryHeader string      `json:"deliveryHeader,omitempty" maxLength:"100" doc:"default Jetadmin-Delivery"`
	Headers        []string    `json:"headers,omitempty" maxItems:"20" doc:"default none"`
	ReplayWindow   Duration    `json:"replayWindow,omitempty" doc:"default 5m, at most 1h"`
	RatePerMinute  int         `json:"ratePerMinute,omitempty" minimum:"1" maximum:"60000" doc:"default 600"`
	Wait           Duration    `json:"wait,omitempty" doc:"at most 30s"`
	Disabled       bool        `json:"disabled,omitempty" doc:"make it without letting it take deliveries"`
}

// WebhookUpdate changes the fields that are set.
type WebhookUpdate struct {
	Name           *string   `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Enabled        *bool     `json:"enabled,omitempty"`
	SecretHeader   *string   `json:"secretHeader,omitempty" maxLength:"100"`
	DeliveryHeader *string   `json:"deliveryHeader,omitempty" maxLength:"100"`
	Headers        *[]string `json:"headers,omitempty" maxItems:"20"`
	ReplayWindow   *Duration `json:"replayWindow,omitempty"`
	RatePerMinute  *int      `json:"ratePerMinute,omitempty" minimum:"1" maximum:"60000"`
	Wait           *Duration `json:"wait,omitempty"`
	Version        int       `json:"version,omitempty" minimum:"1" doc:"the version that was read; another is refused"`
}

type webhookRow struct {
	bun.BaseModel `bun:"table:?schema.jet_webhook,alias:h"`

	ID             string `bun:",pk"`
	TenantID       string
	WorkflowID     string
	Name           string
	Key            string
	Mode           WebhookMode
	Enabled        bool
	Settings       string
	Secret         *string
	PreviousSecret *string
	PreviousUntil  *time.Time
	CreatedBy      string
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Version        int
}

// webhookSettings are what is never searched for.
type webhookSettings struct {
	SecretHeader   string   `json:"secretHeader"`
	DeliveryHeader string   `json:"deliveryHeader"`
	Headers        []string `json:"headers"`
	ReplayWindow   Duration `json:"replayWindow"`
	RatePerMinute  int      `json:"ratePerMinute"`
	Wait           Duration `json:"wait"`
}

// CreateWebhook stores a webhook and returns its secret, which is never shown
// again; a public one has none.
//
// It needs webhook.create, and workflow.execute on the workflow: deliveries go on
// to start it on nobody's behalf. Errors: Invalid with every fault, Conflict for
// a name that is taken.
func (s *Service) CreateWebhook(ctx context.Context, in NewWebhook) (hook Webhook, secret string, err error) {
	who, err := s.cfg.Authorize(ctx, auth.WebhookCreate, "")
	if err != nil {
		return Webhook{}, "", err
	}
	row, settings := in.row(who, s.cfg.Clock.Now())
	if err := s.checkWebhook(ctx, who, &row, settings); err != nil {
		return Webhook{}, "", err
	}
	row.Settings = encode(settings)
	if row.Mode != WebhookPublic {
		secret = newWebhookSecret()
		if err := s.sealSecret(&row, secret); err != nil {
			return Webhook{}, "", err
		}
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if err := s.insertTrigger(ctx, tx, "webhook", &row); err != nil || row.Mode != WebhookPublic {
			return err
		}
		return s.cfg.Audit(ctx, tx, row.entry("webhook.makePublic"))
	})
	if err != nil {
		return Webhook{}, "", err
	}
	hook, err = s.shownWebhook(&row)
	return hook, secret, err
}

// Webhook reads a webhook, without its secret.
func (s *Service) Webhook(ctx context.Context, webhookID string) (Webhook, error) {
	return show(ctx, s, auth.WebhookRead, webhookID, readWebhook, s.shownWebhook)
}

// Webhooks lists webhooks, newest first; of one workflow unless workflowID is "".
func (s *Service) Webhooks(ctx context.Context, workflowID string, r page.Request) (page.Page[Webhook], error) {
	who, visible, err := s.cfg.Visible(ctx, auth.WebhookList, "id")
	if err != nil {
		return page.Page[Webhook]{}, err
	}
	return page.List[webhookRow, Webhook]{
		Key:   func(h Webhook) string { return h.ID },
		Query: s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Apply(ofWorkflow(workflowID)).Apply(visible),
		Scope: []string{"webhooks", who.TenantID, workflowID},
		View:  s.shownWebhook,
	}.Read(ctx, s.cfg.Pages, r)
}

// UpdateWebhook changes a webhook. It needs what [Service.CreateWebhook] needs,
// with webhook.update.
func (s *Service) UpdateWebhook(ctx context.Context, webhookID string, in WebhookUpdate) (Webhook, error) {
	who, err := s.cfg.Authorize(ctx, auth.WebhookUpdate, webhookID)
	if err != nil {
		return Webhook{}, err
	}
	row, err := readWebhook(ctx, s.cfg.DB.DB, who.TenantID, webhookID, nil)
	if err != nil {
		return Webhook{}, err
	}
	settings, err := row.settings()
	if err != nil {
		return Webhook{}, err
	}
	before := row.state()
	row.apply(in, &settings)
	if err := s.checkWebhook(ctx, who, &row, settings); err != nil {
		return Webhook{}, err
	}
	row.Settings = encode(settings)
	if err := s.saveWebhook(ctx, &row, before, in.Version, "webhook.update", "secret", "previous_secret", "previous_until"); err != nil {
		return Webhook{}, err
	}
	return s.shownWebhook(&row)
}

// DeleteWebhook removes a webhook. Its runs stay.
func (s *Service) DeleteWebhook(ctx context.Context, webhookID string) error {
	return deleteTrigger(ctx, s, "webhook", webhookID, readWebhook)
}

// saveWebhook stores a row that was read and changed, unless somebody else has
// changed it meanwhile, or it was not the version that the caller has seen. It leaves
// some columns alone: secrets are sealed again without a new version.
func (s *Service) saveWebhook(ctx context.Context, row *webhookRow, before map[string]any, seen int, action string, alone ...string) error {
	read := row.Version
	if seen != 0 && seen != read {
		return stale("webhook")
	}
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row.UpdatedAt, row.Version = s.cfg.Clock.Now(), read+1
		n, err := store.Changed(tx.NewUpdate().Model(row).ExcludeColumn(alone...).Where("tenant_id = ?", row.TenantID).Where("id = ?", row.ID).
			Where("version = ?", read).Exec(ctx))
		if err != nil {
			return nameTaken(err, "webhook")
		}
		if n == 0 {
			return stale("webhook")
		}
		entry := row.entry(action)
		entry.Before, entry.After = before, row.state()
		return s.cfg.Audit(ctx, tx, entry)
	})
}

func (r webhookRow) entry(action string) audit.Entry {
	return audit.Entry{
		TenantID: r.TenantID, Action: action, ObjectType: "webhook", ObjectID: r.ID,
		Detail: map[string]any{"name": r.Name, "workflowId": r.WorkflowID, "mode": r.Mode, "enabled": r.Enabled},
	}
}

// state is what a change of the webhook can change, for the record.
func (r webhookRow) state() map[string]any {
	return map[string]any{
		"name": r.Name, "enabled": r.Enabled, "settings": json.RawMessage(r.Settings), "previousUntil": r.PreviousUntil,
	}
}

func (s *Service) checkWebhook(ctx context.Context, who *auth.Principal, row *webhookRow, set webhookSettings) error {
	var f problem.Faults
	checkName(&f, row.Name)
	f.Check(row.Mode == WebhookHMAC || row.Mode == WebhookSecret || row.Mode == WebhookPublic, "mode", "must be hmac, secret or public")
	f.Check(isHeader(set.SecretHeader), "secretHeader", "is not the name of a header")
	f.Check(isHeader(set.DeliveryHeader), "deliveryHeader", "is not the name of a header")
	f.Check(len(set.Headers) <= maxHookHeaders, "headers", "must be at most 20")
	for _, name := range set.Headers {
		f.Check(isHeader(name) && !private(name, set), "headers", "must be names of headers that carry no credential")
	}
	f.Check(set.ReplayWindow >= Duration(time.Second) && set.ReplayWindow <= maxReplayWindow, "replayWindow", "must be 1s to 1h")
	f.Check(set.RatePerMinute >= 1 && set.RatePerMinute <= maxWebhookRate, "ratePerMinute", "must be 1 to 60000")
	f.Check(set.Wait >= 0 && set.Wait <= MaxWebhookWait, "wait", "must be 0s to 30s")
	if err := s.checkTrigger(ctx, who, row.WorkflowID, nil, &f); err != nil {
		return err
	}
	return f.Err("webhook_invalid", "the webhook is not valid")
}

// isHeader reports whether a text can be the name of a header.
func isHeader(name string) bool {
	return name != "" && len(name) <= 100 && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}

// private reports whether a header carries a credential, which no run may see.
func private(name string, set webhookSettings) bool {
	return slices.ContainsFunc(
		[]string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", SignatureHeader, set.SecretHeader},
		func(secret string) bool { return strings.EqualFold(secret, name) },
	)
}

func (in NewWebhook) row(who *auth.Principal, now time.Time) (webhookRow, webhookSettings) {
	row := webhookRow{
		ID: id.New(), TenantID: who.TenantID, WorkflowID: in.WorkflowID, Key: newWebhookKey(), Mode: in.Mode, Enabled: !in.Disabled,
		CreatedBy: who.Actor(), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if row.Mode == "" {
		row.Mode = WebhookHMAC
	}
	settings := webhookSettings{
		SecretHeader: defaultSecretHeader, DeliveryHeader: defaultDeliveryHeader, Headers: []string{},
		ReplayWindow: defaultReplayWindow, RatePerMinute: defaultWebhookRate, Wait: in.Wait,
	}
	change := WebhookUpdate{
		Name: &in.Name, SecretHeader: set(in.SecretHeader), DeliveryHeader: set(in.DeliveryHeader),
		ReplayWindow: set(in.ReplayWindow), RatePerMinute: set(in.RatePerMinute),
	}
	if in.Headers != nil {
		change.Headers = &in.Headers
	}
	row.apply(change, &settings)
	return row, settings
}

func (r *webhookRow) apply(in WebhookUpdate, set *webhookSettings) {
	if in.Name != nil {
		r.Name = strings.TrimSpace(*in.Name)
	}
	assign(&r.Enabled, in.Enabled)
	assign(&set.SecretHeader, in.SecretHeader)
	assign(&set.DeliveryHeader, in.DeliveryHeader)
	assign(&set.Headers, in.Headers)
	assign(&set.ReplayWindow, in.ReplayWindow)
	assign(&set.RatePerMinute, in.RatePerMinute)
	assign(&set.Wait, in.Wait)
}

// assign takes over a field that is set.
func assign[T any](field, change *T) {
	if change != nil {
		*field = *change
	}
}

func (r *webhookRow) settings() (webhookSettings, error) {
	var set webhookSettings
	return set, json.Unmarshal([]byte(r.Settings), &set)
}

func (s *Service) shownWebhook(r *webhookRow) (Webhook, error) {
	set, err := r.settings()
	if err != nil {
		return Webhook{}, err
	}
	return Webhook{
		ID: r.ID, WorkflowID: r.WorkflowID, Name: r.Name, Path: s.cfg.BasePath + "/hooks/" + r.Key, Mode: r.Mode, Enabled: r.Enabled,
		SecretHeader: set.SecretHeader, DeliveryHeader: set.DeliveryHeader, Headers: set.Headers,
		ReplayWindow: set.ReplayWindow, RatePerMinute: set.RatePerMinute, Wait: set.Wait, PreviousUntil: utc(r.PreviousUntil),
		CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: r.Version,
	}, nil
}

func readWebhook(ctx context.Context, db bun.IDB, tenantID, webhookID string, lock locking) (webhookRow, error) {
	return find[webhookRow](ctx, db, tenantID, webhookID, "webhook", lock)
}
