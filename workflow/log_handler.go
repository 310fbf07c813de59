package workflow

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jetadmin/jetadmin/internal/id"
)

// nodeLog is what one attempt at a node logs. It costs nothing before the first
// line.
type nodeLog struct {
	s                    *Service
	tenantID, runID, key string
	attempt              int

	named sync.Once
	host  slog.Handler // the host's, with the attributes of the attempt

	mu          sync.Mutex
	lines, size int
	closed      bool
	batch       *logBatch // the one that has the last line
}

func (s *Service) newNodeLog(tenantID, runID, key string, attempt int) *nodeLog {
	return &nodeLog{s: s, tenantID: tenantID, runID: runID, key: key, attempt: attempt}
}

func (l *nodeLog) hostHandler() slog.Handler {
	l.named.Do(func() {
		l.host = l.s.cfg.Logger.Handler().WithAttrs([]slog.Attr{
			slog.String("tenant", l.tenantID), slog.String("run", l.runID), slog.String("node", l.key),
		})
	})
	return l.host
}

func (l *nodeLog) logger() *slog.Logger { return slog.New(&logHandler{log: l}) }

// add keeps a line. What is logged after the end of the attempt is not kept: the
// node may have been given up, and another attempt at it be under way.
func (l *nodeLog) add(level slog.Level, message string, attrs []slog.Attr) {
	row := logRow{TenantID: l.tenantID, RunID: l.runID, Key: l.key, Attempt: l.attempt, Level: logLevel(level)}
	var cut, cutToo bool
	row.Message, cut = cleanText(message, MaxLogLine)
	row.Attributes, cutToo = attributesOf(attrs, MaxLogLine)
	row.Truncated = cut || cutToo
	row.measure()

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.lines >= MaxAttemptLines || l.size > MaxAttemptLog {
		return
	}
	l.lines++
	if l.size += row.Size; l.lines == MaxAttemptLines || l.size > MaxAttemptLog {
		l.size = MaxAttemptLog + 1
		row.Level, row.Attributes, row.Truncated = LogWarn, nil, true
		row.Message = "the log of this attempt is full, further lines are not kept"
		row.measure()
	}
	row.Seq, row.ID, row.At = l.lines, id.New(), l.s.cfg.Clock.Now()
	if batch := l.s.logs.add(row); batch != nil {
		l.batch = batch
	}
	l.s.events.log(&row)
}

func (r *logRow) measure() {
	r.Size = len(r.Message)
	if r.Attributes != nil {
		r.Size += len(*r.Attributes)
	}
}

// logPatience is how long the end of an attempt waits for its lines to be stored.
const logPatience = 100 * time.Millisecond

// end takes no more lines, and waits a moment for those that are there to be
// stored: who sees that a node has ended can then read what it logged.
func (l *nodeLog) end() {
	l.mu.Lock()
	l.closed = true
	batch := l.batch
	l.mu.Unlock()
	if batch == nil {
		return
	}
	l.s.logs.hurry()
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-batch.stored:
	case <-patience.C:
	}
}

// logHandler hands lines to the host's handler and to the log of the attempt.
type logHandler struct {
	log   *nodeLog
	host  slog.Handler // nil = as the log has it
	attrs []slog.Attr  // collected so far, the innermost group last
	group []string     // groups that are open
}

func (h *logHandler) hostHandler() slog.Handler {
	if h.host != nil {
		return h.host
	}
	return h.log.hostHandler()
}

// Enabled implements [slog.Handler]: lines from Info on are kept whatever the
// host's own log shows, those below when the host's does.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.hostHandler().Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	h.log.add(r.Level, r.Message, h.with(attrs).attrs)
	if host := h.hostHandler(); host.Enabled(ctx, r.Level) {
		return host.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	c := h.with(attrs)
	c.host = h.hostHandler().WithAttrs(attrs)
	return c
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group = append(slices.Clone(h.group), name)
	c.host = h.hostHandler().WithGroup(name)
	return &c
}

// with is the handler with attributes in the group that is open.
func (h *logHandler) with(attrs []slog.Attr) *logHandler {
	c := *h
	if len(attrs) > 0 {
		c.attrs = within(h.attrs, h.group, attrs)
	}
	return &c
}

// within adds attributes below a path of groups.
func within(all []slog.Attr, path []string, attrs []slog.Attr) []slog.Attr {
	if len(path) == 0 {
		return append(slices.Clip(all), attrs...)
	}
	all = slices.Clone(all)
	for i, a := range all {
		if a.Key == path[0] && a.Value.Kind() == slog.KindGroup {
			all[i].Value = slog.GroupValue(within(a.Value.Group(), path[1:], attrs)...)
			return all
		}
	}
	return append(all, slog.Attr{Key: path[0], Value: slog.GroupValue(within(nil, path[1:], attrs)...)})
}
