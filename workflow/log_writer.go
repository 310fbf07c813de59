package workflow

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/internal/store"
)

const (
	// logDelay gathers lines into one statement. The end of an attempt cuts it short.
	logDelay = 50 * time.Millisecond

	logChunk   = 500     // lines to a statement
	logBacklog = 8 << 20 // bytes that may wait for the database; lines beyond are not kept

	logTimeout  = 5 * time.Second // of a statement
	logAttempts = 8               // to store a batch, about a quarter of a minute
	logRuns     = 4096            // runs whose size is remembered
)

// logWriter stores the lines of all nodes of this process, in batches and in the
// background. It has a goroutine only while there are lines.
type logWriter struct {
	db     *store.DB
	gone   func(tenantID string) bool
	logger *slog.Logger
	urgent chan struct{} // somebody waits

	mu      sync.Mutex
	batch   *logBatch // open for more lines; nil = none waits
	waiting int       // bytes, those that are being stored included
	running bool
	idle    chan struct{} // closed when running ends
	dropped int

	sizes map[string]*runLogSize // only the goroutine uses it
}

type logBatch struct {
	rows   []logRow
	stored chan struct{} // closed when the rows are stored, or given up
}

// runLogSize is how much of a run is stored, as far as this process knows.
type runLogSize struct {
	lines, bytes int
	full         bool
}

func newLogWriter(db *store.DB, gone func(tenantID string) bool, logger *slog.Logger) *logWriter {
	return &logWriter{db: db, gone: gone, logger: logger, urgent: make(chan struct{}, 1), sizes: map[string]*runLogSize{}}
}

// rowCost is what a line costs beside its text while it waits, in bytes.
const rowCost = 300

// add returns the batch that the line is in; nil when there was no room.
func (w *logWriter) add(row logRow) *logBatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting+row.Size+rowCost > logBacklog {
		w.dropped++
		return nil
	}
	w.waiting += row.Size + rowCost
	if w.batch == nil {
		w.batch = &logBatch{stored: make(chan struct{})}
	}
	w.batch.rows = append(w.batch.rows, row)
	if !w.running {
		w.running, w.idle = true, make(chan struct{})
		go w.run()
	}
	if len(w.batch.rows) >= logChunk {
		w.hurry()
	}
	return w.batch
}

// hurry stores what waits without further delay.
func (w *logWriter) hurry() {
	select {
	case w.urgent <- struct{}{}:
	default:
	}
}

func (w *logWriter) run() {
	for {
		delay := time.NewTimer(logDelay)
		select {
		case <-delay.C:
		case <-w.urgent:
		}
		delay.Stop()
		w.mu.Lock()
		batch := w.batch
		w.batch = nil
		dropped := w.dropped
		w.dropped = 0
		if batch == nil {
			w.running = false
			close(w.idle)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if dropped > 0 {
			w.logger.Warn("workflow log: lines of nodes were not kept, too many wait for the database", "lines", dropped)
		}
		w.storeAll(batch)
		w.mu.Lock()
		for i := range batch.rows {
			w.waiting -= batch.rows[i].Size + rowCost
		}
		w.mu.Unlock()
		close(batch.stored)
	}
}

// storeAll stores a batch, and gives it up when the database is away for long:
// lines are for reading along, the truth is in other rows.
func (w *logWriter) storeAll(batch *logBatch) {
	defer func() {
		if r := recover(); r != nil { // of the host's driver or logger
			w.logger.Error("workflow log: panic", "panic", r)
		}
	}()
	for pause, attempt := retryStore, 1; ; pause, attempt = min(pause*2, maxRetryStore), attempt+1 {
		err := w.store(batch.rows)
		if err == nil {
			return
		}
		if attempt == logAttempts {
			w.logger.Error("workflow log: lines of nodes are lost", "lines", len(batch.rows), "error", err)
			return
		}
		sleep(context.Background(), pause)
	}
}

func (w *logWriter) store(rows []logRow) error {
	// No principal: the lines are of several tenants, each row names its own.
	ctx, cancel := context.WithTimeout(context.Background(), logTimeout)
	defer cancel()
	rows = slices.DeleteFunc(slices.Clone(rows), func(row logRow) bool { return w.gone(row.TenantID) })
	if err := w.learnSizes(ctx, rows); err != nil {
		return err
	}
	kept := w.withinRuns(rows)
	for len(kept) > 0 {
		chunk := kept[:min(len(kept), logChunk)]
		kept = kept[len(chunk):]
		// Repeated after an answer was lost, it finds its rows already there.
		if _, err := w.db.NewInsert().Model(&chunk).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			w.sizes = map[string]*runLogSize{} // what was stored is not known any more
			return err
		}
	}
	return nil
}

// learnSizes reads how much is stored of runs that this process has not heard of
// yet: nodes that ran before, or run elsewhere, have their part of the limit.
func (w *logWriter) learnSizes(ctx context.Context, rows []logRow) error {
	if len(w.sizes) > logRuns {
		w.sizes = map[string]*runLogSize{}
	}
	var unknown []string
	for i := range rows {
		if w.sizes[rows[i].RunID] == nil {
			w.sizes[rows[i].RunID] = &runLogSize{}
			unknown = append(unknown, rows[i].RunID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	var stored []struct {
		RunID        string
		Lines, Bytes int
	}
	err := w.db.NewRaw(`SELECT run_id, count(*) AS lines, sum(size) AS bytes FROM ?schema.jet_run_log
		/* across tenants: sizes of the logs of runs that this process runs */ WHERE run_id IN (?) GROUP BY run_id`,
		bun.List(unknown)).Scan(ctx, &stored)
	if err != nil {
		for _, runID := range unknown {
			delete(w.sizes, runID)
		}
		return err
	}
	for _, s := range stored {
		*w.sizes[s.RunID] = runLogSize{lines: s.Lines, bytes: s.Bytes, full: s.Lines > MaxRunLines || s.Bytes > MaxRunLog}
	}
	return nil
}

// withinRuns leaves out the lines of runs whose log is full; the last one that
// is kept says so.
func (w *logWriter) withinRuns(rows []logRow) []logRow {
	kept := make([]logRow, 0, len(rows))
	for _, row := range rows {
		size := w.sizes[row.RunID]
		if size.full {
			continue
		}
		size.lines++
		size.bytes += row.Size
		if size.full = size.lines > MaxRunLines || size.bytes > MaxRunLog; size.full {
			row.Level, row.Attributes, row.Truncated = LogWarn, nil, true
			row.Message = "the log of this run is full, further lines are not kept"
			row.measure()
		}
		kept = append(kept, row)
	}
	return kept
}

// flush waits until what was added is stored or given up, or the context ends.
func (w *logWriter) flush(ctx context.Context) {
	w.mu.Lock()
	running, idle := w.running, w.idle
	w.mu.Unlock()
	if !running {
		return
	}
	w.hurry()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
