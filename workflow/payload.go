package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/sync/semaphore"

	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	// MaxOutput is the largest output of a node, in bytes of JSON.
	MaxOutput = 16 << 20

	// MaxRunOutput bounds what the large outputs of a run take together, in bytes of
	// JSON: those above 32 KB.
	MaxRunOutput = 256 << 20

	// maxInline is the largest output that stands in its row. Larger ones stand in
	// pieces beside, and the row refers to them: so a list of outputs stays small.
	maxInline = 32 << 10

	pieceSize = 512 << 10

	// payloadMemory bounds the large outputs that a process holds: as many bytes
	// that nodes read, and as many that wait to be stored.
	payloadMemory = 256 << 20
)

// payloads keeps the memory of large outputs in bounds.
type payloads struct {
	reading *semaphore.Weighted
	writing *semaphore.Weighted
}

func newPayloads() payloads {
	return payloads{semaphore.NewWeighted(payloadMemory), semaphore.NewWeighted(payloadMemory)}
}

// reference is what stands in place of a large output: "@<payload>:<bytes>", which
// no JSON begins like. It is relative to the run.
type reference struct {
	payload string
	bytes   int64
}

func (r reference) String() string { return "@" + r.payload + ":" + strconv.FormatInt(r.bytes, 10) }

func parseReference(text string) (r reference, ok bool) {
	rest, ok := strings.CutPrefix(text, "@")
	if !ok {
		return r, false
	}
	payload, bytes, ok := strings.Cut(rest, ":")
	n, err := strconv.ParseInt(bytes, 10, 64)
	return reference{payload, n}, ok && err == nil
}

type pieceRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_payload,alias:p"`

	TenantID string
	RunID    string `bun:",pk"`
	Payload  string `bun:",pk"`
	Piece    int    `bun:",pk"`
	Bytes    int
	Data     string
}

// setAside stores the large outputs among steps and puts references in their
// places. What is set aside for a result that then does not count goes with the
// run. It returns the steps that are left: a node whose output the run has no room
// for fails, or is left to an attempt of its own when it was computed on.
func (e *engine) setAside(ctx context.Context, c *claim, steps []step) ([]step, error) {
	for i := range steps {
		output := steps[i].outcome.output
		if len(output) <= maxInline {
			continue
		}
		if err := e.payloads.writing.Acquire(ctx, int64(len(output))); err != nil {
			return nil, err
		}
		ref, err := e.storePayload(ctx, &c.run, id.New(), string(output))
		e.payloads.writing.Release(int64(len(output)))
		switch {
		case (problem.Is(err, problem.TooLarge) || problem.Is(err, problem.Invalid)) && i > 0:
			return steps[:i], nil
		case problem.Is(err, problem.TooLarge), problem.Is(err, problem.Invalid):
			steps[0].outcome = e.failed(c, err)
			return steps[:1], nil
		case err != nil:
			return nil, err
		}
		steps[i].outcome.output = json.RawMessage(ref.String())
	}
	return steps, nil
}

// storePayload tries until the database has taken it. What is there under the id is
// the same.
func (e *engine) storePayload(ctx context.Context, run *runRow, payload, text string) (reference, error) {
	ref := reference{payload: payload, bytes: int64(len(text))}
	for pause := retryStore; ; pause = min(pause*2, maxRetryStore) {
		err := e.s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.IDB) error { return insertPieces(ctx, tx, run, ref, text) })
		switch {
		case err == nil, problem.Is(err, problem.TooLarge):
			return ref, err
		case store.IsSpoiled(err): // the run may be gone
			return ref, resultRefused(err)
		}
		e.s.cfg.Logger.Warn("workflow engine: store a large output", "run", run.ID, "error", err)
		if !sleep(ctx, pause) {
			return ref, errors.Join(ctx.Err(), err)
		}
	}
}

func insertPieces(ctx context.Context, tx bun.IDB, run *runRow, ref reference, text string) error {
	there, err := tx.NewSelect().Model((*pieceRow)(nil)).Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Where("payload = ?", ref.payload).Exists(ctx)
	if there || err != nil {
		return err
	}
	var taken int64
	err = tx.NewSelect().Model((*pieceRow)(nil)).ColumnExpr("COALESCE(SUM(bytes), 0)").
		Where("tenant_id = ?", run.TenantID).Where("run_id = ?", run.ID).Scan(ctx, &taken)
	if err != nil {
		return err
	}
	if taken+ref.bytes > MaxRunOutput {
		return problem.Newf(problem.TooLarge, "run_output_too_large", "the outputs of the run take more than %d bytes together", MaxRunOutput).
			Fix("return less: select fewer rows or columns, or store the data and return a reference")
	}
	for i := 0; text != ""; i++ {
		n := cut(text)
		row := pieceRow{TenantID: run.TenantID, RunID: run.ID, Payload: ref.payload, Piece: i, Bytes: n, Data: text[:n]}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// cut is the length of the first piece, which ends between two characters.
func cut(text string) int {
	if len(text) <= pieceSize {
		return len(text)
	}
	n := pieceSize
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// fetch puts the large outputs of a run in the places of the references to them.
func fetch(ctx context.Context, db bun.IDB, tenantID, runID string, texts ...*string) error {
	places := make(map[string][]*string)
	var ids []string
	for _, text := range texts {
		if text == nil {
			continue
		}
		if ref, ok := parseReference(*text); ok {
			if places[ref.payload] == nil {
				ids = append(ids, ref.payload)
			}
			places[ref.payload] = append(places[ref.payload], text)
		}
	}
	for _, payload := range ids { // one at a time: they are large
		whole, err := readPayload(ctx, db, tenantID, runID, payload)
		if err != nil {
			return err
		}
		for _, text := range places[payload] {
			*text = whole
		}
	}
	return nil
}

func readPayload(ctx context.Context, db bun.IDB, tenantID, runID, payload string) (string, error) {
	if keys, ok := (reference{payload: payload}).ends(); ok {
		return fetchEnds(ctx, db, tenantID, runID, keys)
	}
	var pieces []string
	err := db.NewSelect().Model((*pieceRow)(nil)).Column("data").Where("tenant_id = ?", tenantID).
		Where("run_id = ?", runID).Where("payload = ?", payload).OrderExpr("piece").Scan(ctx, &pieces)
	if err == nil && len(pieces) == 0 {
		err = errors.New("an output of the run is not there")
	}
	return strings.Join(pieces, ""), err
}

// copyPayloads takes over the large outputs that the outputs of a run refer to,
// from the run that they were copied from.
func copyPayloads(ctx context.Context, tx bun.IDB, tenantID, from, to string) error {
	_, err := tx.NewRaw(`INSERT INTO ?schema.jet_run_payload (tenant_id, run_id, payload, piece, bytes, data)
		SELECT tenant_id, ?, payload, piece, bytes, data FROM ?schema.jet_run_payload AS p WHERE tenant_id = ? AND run_id = ?
			AND EXISTS (SELECT 1 FROM ?schema.jet_run_output AS o WHERE o.tenant_id = p.tenant_id AND o.run_id = ?
				AND o.output LIKE '@' || CAST(p.payload AS text) || ':%')`, to, tenantID, from, to).Exec(ctx)
	return err
}

// read takes memory for the large outputs that texts refer to before they are
// fetched; release gives it back. A caller that holds some already must not wait
// for more: wait = false gives up with errNotPrepared instead.
func (p *payloads) read(ctx context.Context, wait bool, texts []*string) (release func(), err error) {
	var bytes int64
	for _, text := range texts {
		if ref, ok := parseReference(*text); ok {
			bytes += ref.bytes
		}
	}
	bytes = min(bytes, payloadMemory)
	switch {
	case bytes == 0:
		return func() {}, nil
	case !wait:
		if !p.reading.TryAcquire(bytes) {
			return nil, errNotPrepared
		}
	default:
		if err := p.reading.Acquire(ctx, bytes); err != nil {
			return nil, errors.Join(errNotPrepared, err)
		}
	}
	return func() { p.reading.Release(bytes) }, nil
}
