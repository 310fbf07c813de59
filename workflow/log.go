package workflow

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
)

// What is kept of the lines that nodes log. The rest is left out, and the last
// line says so. The host's own logger gets all of them.
const (
	MaxLogLine      = 8 << 10 // bytes of a message, and of the attributes beside it
	MaxAttemptLines = 1000
	MaxAttemptLog   = 256 << 10 // bytes
	MaxRunLines     = 10_000
	MaxRunLog       = 4 << 20 // bytes
)

// LogLevel is how much a line matters.
type LogLevel string

// The levels of lines.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

func logLevel(l slog.Level) LogLevel {
	switch {
	case l >= slog.LevelError:
		return LogError
	case l >= slog.LevelWarn:
		return LogWarn
	case l >= slog.LevelInfo:
		return LogInfo
	}
	return LogDebug
}

// LogLine is a line that a node has logged with [Call.Logger].
type LogLine struct {
	ID         string         `json:"id" doc:"rises with time; what \"after\" takes"`
	Node       string         `json:"node" doc:"the node's key in the graph"`
	Attempt    int            `json:"attempt"`
	Seq        int            `json:"seq" doc:"rises by one within an attempt, from 1"`
	At         time.Time      `json:"at"`
	Level      LogLevel       `json:"level" enum:"debug,info,warn,error"`
	Message    string         `json:"message"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Truncated  bool           `json:"truncated,omitempty" doc:"a part of the line, or what would follow it, was left out"`
}

// LogFilter narrows the lines of a run. Zero fields do not.
type LogFilter struct {
	Node  string // key in the graph
	After string // the id of a line: only those behind it
}

// Logs lists what the nodes of a run have logged, oldest first. A line can be
// read some tens of milliseconds after it was written, and when its attempt has
// ended unless the database is slow. Errors: NotFound for the run, Invalid for
// an After that is no id.
func (s *Service) Logs(ctx context.Context, runID string, f LogFilter, r page.Request) (page.Page[LogLine], error) {
	var none page.Page[LogLine]
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return none, err
	}
	if f.After != "" && !id.Valid(f.After) {
		var faults problem.Faults
		faults.Add("after", "is not the id of a line")
		return none, faults.Err("log_filter_invalid", "the filter is not valid")
	}
	if _, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil); err != nil {
		return none, err
	}
	q := s.cfg.DB.NewSelect().Where("tenant_id = ?", who.TenantID).Where("run_id = ?", runID)
	if f.Node != "" {
		q = q.Where("key = ?", f.Node)
	}
	if f.After != "" {
		q = q.Where("id > ?", f.After)
	}
	return page.List[logRow, LogLine]{
		Key:         func(l LogLine) string { return l.ID },
		OldestFirst: true,
		Query:       q,
		Scope:       []string{"log", who.TenantID, runID, f.Node, f.After},
		View:        page.Plain((*logRow).line),
	}.Read(ctx, s.cfg.Pages, r)
}

func (r *logRow) line() LogLine {
	l := LogLine{
		ID: r.ID, Node: r.Key, Attempt: r.Attempt, Seq: r.Seq, At: r.At, Level: r.Level, Message: r.Message, Truncated: r.Truncated,
	}
	if r.Attributes != nil {
		// We wrote it. Should it not be readable, the message is still worth showing.
		_ = json.Unmarshal([]byte(*r.Attributes), &l.Attributes)
	}
	return l
}
