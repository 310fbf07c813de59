package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/uptrace/bun"
	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/traceparent"
	"github.com/jetadmin/jetadmin/problem"
)

// Receipt is what became of a delivery.
type Receipt struct {
	Run       Run
	Duplicate bool // the run was started by the same delivery before

	// Of a webhook that waits, when there was something to tell in that time.
	Response *Response // what a node of the run has answered
	Ended    bool      // the run has ended, without an answer but with Output
	Output   any
}

// maxDeliveryID is the length of the id that a sender may give a delivery.
const maxDeliveryID = 200

// deliveryRow remembers a signature while it could be sent again.
type deliveryRow struct {
	bun.BaseModel `bun:"table:?schema.jet_webhook_delivery,alias:y"`

	TenantID  string
	WebhookID string `bun:",pk"`
	Digest    string `bun:",pk"`
	RunID     string
	ExpiresAt time.Time
}

// Deliver starts a run for what was sent to a webhook; key is the last part of
// its path. No principal is needed: the delivery proves itself.
//
// The same delivery, by its id or by its signature, starts one run however often
// it comes. Deliveries that are not there or prove nothing are limited by the address
// of [auth.WithAddress], if there is one. Errors: NotFound for a webhook that is not there or not enabled;
// Unauthenticated without proof, or with one that is too old; RateLimited;
// TooLarge; Invalid for a body that is not what its type says, or not the input
// that the workflow declares; Conflict for a workflow that was deleted or has no
// published version.
func (s *Service) Deliver(ctx context.Context, key string, d Delivery) (Receipt, error) {
	now := s.cfg.Clock.Now()
	from := auth.AddressFrom(ctx)
	row, err := s.webhookOf(ctx, key)
	if err != nil {
		return Receipt{}, s.hooks.bad.Sparing(ctx, from, "", s.cfg.Clock, func() error { return err }, problem.NotFound)
	}
	var digest string
	err = s.hooks.bad.Sparing(ctx, from, "/"+row.ID, s.cfg.Clock, func() error {
		digest, err = s.proven(ctx, &row, d, now)
		return err
	}, problem.NotFound, problem.Unauthenticated)
	if err != nil {
		return Receipt{}, err
	}
	settings, err := row.settings()
	if err != nil {
		return Receipt{}, err
	}
	if err := s.hooks.take(ctx, row.ID, settings.RatePerMinute, now); err != nil {
		return Receipt{}, err
	}
	start, err := row.startParams(d, settings)
	if err != nil {
		return Receipt{}, err
	}
	ctx = row.inTrace(auth.NewContext(ctx, row.principal()), d)
	receipt, err := s.startDelivered(ctx, &row, start, deliveryRow{
		TenantID: row.TenantID, WebhookID: row.ID, Digest: digest, ExpiresAt: now.Add(2*time.Duration(settings.ReplayWindow) + time.Minute),
	})
	if err != nil || settings.Wait == 0 {
		return receipt, err
	}
	return s.awaitAnswer(ctx, receipt, time.Duration(settings.Wait))
}

// proven is the digest of what was signed of a delivery that has proven itself. To a
// webhook that is disabled none does: it looks like none.
func (s *Service) proven(ctx context.Context, row *webhookRow, d Delivery, now time.Time) (digest string, err error) {
	if !row.Enabled {
		return "", problem.Missing("webhook")
	}
	if len(d.Body) > MaxWebhookBody {
		return "", problem.Newf(problem.TooLarge, "body_too_large", "the body is larger than %d bytes", MaxWebhookBody)
	}
	settings, err := row.settings()
	if err != nil {
		return "", err
	}
	secrets, err := s.secrets(row, now)
	if err != nil {
		return "", err
	}
	if digest, err = row.prove(d, settings, secrets, now); problem.Is(err, problem.Unauthenticated) {
		s.cfg.Denied(ctx, audit.Denial{TenantID: row.TenantID, Action: "webhook.deliver", ObjectType: "webhook", ObjectID: row.ID, Code: problem.Of(err).Code})
	}
	return digest, err
}

// webhookOf finds a webhook by the last part of its path.
func (s *Service) webhookOf(ctx context.Context, key string) (webhookRow, error) {
	var row webhookRow
	if !isWebhookKey(key) {
		return row, problem.Missing("webhook")
	}
	err := s.cfg.DB.NewRaw(`SELECT * FROM ?schema.jet_webhook /* across tenants: the path of a webhook names its tenant */
		WHERE key = ? AND EXISTS (SELECT 1 FROM ?schema.jet_tenant AS t WHERE t.id = tenant_id AND t.deleted_at IS NULL)`, key).Scan(ctx, &row)
	if store.IsMissing(err) {
		return row, problem.Missing("webhook")
	}
	return row, err
}

// principal is who starts the runs of a webhook: nobody in person, with the right
// that it takes.
func (r *webhookRow) principal() *auth.Principal {
	return auth.ServicePrincipal(r.TenantID, "webhook:"+r.ID, auth.Grant{Permission: auth.WorkflowExecute, ObjectID: r.WorkflowID})
}

// inTrace lets the run go on in the sender's trace, by way of the span that the
// host has begun for the request, if it has. Who knows no secret could write into
// any trace: what comes by a public webhook begins its own.
func (r *webhookRow) inTrace(ctx context.Context, d Delivery) context.Context {
	if r.Mode == WebhookPublic {
		return ctx
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, traceparent.Parse(d.Header.Get(traceparent.Header)))
	}
	return continued(ctx)
}

func (r *webhookRow) startParams(d Delivery, set webhookSettings) (StartParams, error) {
	input, err := d.input(set)
	if err != nil {
		return StartParams{}, err
	}
	start := StartParams{WorkflowID: r.WorkflowID, Input: input, trigger: TriggerWebhook}
	if deliveryID := d.Header.Get(set.DeliveryHeader); deliveryID != "" {
		if len(deliveryID) > maxDeliveryID {
			var f problem.Faults
			f.Add(set.DeliveryHeader, "must have at most 200 characters")
			return StartParams{}, f.Err("delivery_invalid", "the delivery cannot be read")
		}
		sum := sha256.Sum256([]byte(deliveryID))
		start.IdempotencyKey = "webhook/" + r.ID + "/" + hex.EncodeToString(sum[:])
	}
	return start, nil
}

// startDelivered starts the run of a delivery, or finds the one that the same
// delivery has started.
//
// The id of a delivery is not signed. So whoever sends a captured one again could
// give it another: what was signed counts too, for as long as its time is good.
func (s *Service) startDelivered(ctx context.Context, row *webhookRow, in StartParams, seen deliveryRow) (receipt Receipt, err error) {
	ctx, done := s.patient(ctx)
	defer func() { err = done(err) }()
	b, err := s.begin(ctx, s.cfg.DB.DB, in)
	if problem.Is(err, problem.NotFound) { // which would mean that there is no such webhook
		err = problem.New(problem.Conflict, "workflow_missing", "the workflow was deleted").Because(err)
	}
	if err != nil {
		return Receipt{}, err
	}
	if seen.Digest == "" {
		err = s.engine.begin(ctx, b)
		return Receipt{Run: b.result(), Duplicate: b.existing}, err
	}
	err = s.engine.beginWith(ctx, b, func(ctx context.Context, tx bun.IDB) error {
		seen.RunID = b.run.ID
		n, err := store.Changed(tx.NewInsert().Model(&seen).On("CONFLICT DO NOTHING").Exec(ctx))
		if err != nil {
			return err
		}
		if n == 0 {
			b.existing = true
			b.found, err = runSeen(ctx, tx, seen)
			return err
		}
		if err := insertRuns(ctx, tx, []*beginning{b}); err != nil || !b.existing {
			return err
		}
		_, err = tx.NewUpdate().Model(&seen).Set("run_id = ?", b.found.ID).Where("tenant_id = ?", seen.TenantID).
			Where("webhook_id = ?", seen.WebhookID).Where("digest = ?", seen.Digest).Exec(ctx)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{Run: b.result(), Duplicate: b.existing}, nil
}

// runSeen is the run that a signature has started before.
func runSeen(ctx context.Context, tx bun.IDB, seen deliveryRow) (runRow, error) {
	err := tx.NewSelect().Model(&seen).Where("tenant_id = ?", seen.TenantID).Where("webhook_id = ?", seen.WebhookID).
		Where("digest = ?", seen.Digest).Scan(ctx)
	if err != nil {
		return runRow{}, err
	}
	return readRun(ctx, tx, seen.TenantID, seen.RunID, nil)
}

// answerLook is the longest pause between looks at a run that somebody waits for.
const answerLook = 200 * time.Millisecond

// awaitAnswer waits for what the run of a delivery answers, or for its end. The
// start is done in any case, so what keeps it from being told is no error.
func (s *Service) awaitAnswer(ctx context.Context, receipt Receipt, patience time.Duration) (Receipt, error) {
	told, done := s.engine.waiters.add(receipt.Run.ID)
	defer done()
	tenantID := auth.FromContext(ctx).TenantID
	reader := auth.ServicePrincipal(tenantID, "webhook", auth.Grant{Permission: auth.RunRead, ObjectID: receipt.Run.ID})
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, reader), patience)
	defer cancel()
	for pause := firstLook; ; pause = min(pause*2, answerLook) {
		answered, err := s.answer(ctx, tenantID, receipt)
		if err != nil || ctx.Err() != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.Warn("workflow: wait for the run of a webhook", "run", receipt.Run.ID, "error", err)
			}
			return receipt, nil
		}
		if answered.Ended || answered.Response != nil {
			return answered, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-told:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// answer is the receipt with what the run has come to so far.
func (s *Service) answer(ctx context.Context, tenantID string, receipt Receipt) (Receipt, error) {
	row, err := readRun(ctx, s.cfg.DB.DB, tenantID, receipt.Run.ID, nil)
	if err != nil {
		return receipt, err
	}
	receipt.Run = row.run()
	// After the row: once the run has ended, nothing is answered any more.
	response, answered, err := s.Response(ctx, row.ID)
	if err != nil {
		return receipt, err
	}
	if answered {
		receipt.Response = &response
		return receipt, nil
	}
	if !row.Status.Final() {
		return receipt, nil
	}
	detail, err := s.Run(ctx, row.ID)
	receipt.Ended, receipt.Output = err == nil, detail.Output
	return receipt, err
}

// forgetDeliveries drops signatures whose time is too old to be sent again.
func (e *engine) forgetDeliveries(ctx context.Context) {
	_, err := e.s.cfg.DB.NewRaw("DELETE FROM ?schema.jet_webhook_delivery /* across tenants: they have expired */ WHERE expires_at < ?",
		e.s.cfg.Clock.Now()).Exec(ctx)
	if err != nil && ctx.Err() == nil {
		e.s.cfg.Logger.Warn("workflow engine: forget deliveries", "error", err)
	}
}
