package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jetadmin/jetadmin/auth"
)

// RunEvents are events of a run after a position.
type RunEvents struct {
	Items []PastEvent `json:"items" doc:"oldest first, at most 200"`
	Last  int64       `json:"last" doc:"the position to ask on from, as since"`
	Gap   bool        `json:"gap" doc:"some events before last were not kept: read the run"`
}

// PastEvent is an event as watchers get it.
type PastEvent struct {
	Seq  int64           `json:"seq" doc:"rises within the run"`
	Type string          `json:"type" doc:"run.updated, run.node.updated, run.log or run.wait"`
	Data json.RawMessage `json:"data"`
	Time time.Time       `json:"time"`
}

// Past reads what was published to a topic after a position, 0 = from the
// beginning.
type Past func(ctx context.Context, topic string, since int64) (RunEvents, error)

// Events returns what has happened in a run since a position, 0 = from the
// beginning, to whoever watches it by asking again and again. They are the events
// that watchers on a connection get, with the same numbers, and are kept as long.
// Errors: NotFound; Unavailable when the service was given no Config.Past.
func (s *Service) Events(ctx context.Context, runID string, since int64) (RunEvents, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return RunEvents{}, err
	}
	if _, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil); err != nil {
		return RunEvents{}, err
	}
	return s.cfg.Past(ctx, runTopic(runID).String(), since)
}
