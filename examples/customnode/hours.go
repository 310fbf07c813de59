// Package customnode is a node type of a host's own: one function with a typed
// configuration, which here also chooses where the run goes on.
//
// Every process that runs workflows needs the same node types: see Config.Nodes
// in the server and in examples/worker.
package customnode

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// Hours is the configuration. The form, and the check of drafts, are made of its
// fields and tags.
type Hours struct {
	Opens  string `json:"opens" jsonschema:"local time at which the shop opens, like 09:00"`
	Closes string `json:"closes" jsonschema:"local time at which it closes, later on the same day; 24:00 is its end"`
	Zone   string `json:"zone,omitempty" jsonschema:"time zone, like Europe/Berlin; default UTC"`
}

// The ports of the node.
const (
	PortOpen   = "open"
	PortClosed = "closed"
)

// OpeningHours is a node that goes on at "open" while the shop is open and at
// "closed" otherwise. Its output is the local time that it judged by.
func OpeningHours() workflow.Node {
	return workflow.NodeFunc(workflow.NodeSpec{
		Type:        "opening_hours",
		Title:       "Opening hours",
		Description: "Goes on at another port when the shop is closed.",
		Ports:       []string{PortOpen, PortClosed},
	}, func(_ context.Context, call *workflow.Call, h Hours) (any, error) {
		local, open, err := h.at(call.Now)
		if err != nil {
			return nil, err
		}
		port := PortClosed
		if open {
			port = PortOpen
		}
		return workflow.Result{Output: map[string]any{"localTime": local}, Port: port}, nil
	})
}

// at is the local time of a moment, and whether the shop is open then.
func (h Hours) at(now time.Time) (local string, open bool, err error) {
	var f problem.Faults
	zone, err := time.LoadLocation(h.Zone)
	f.Check(err == nil, "zone", "is not a time zone")
	for field, value := range map[string]string{"opens": h.Opens, "closes": h.Closes} {
		_, err := time.Parse(clock, value)
		f.Check(err == nil || value == "24:00", field, "must be a time like 09:00")
	}
	if err := f.Err("hours_invalid", "the opening hours are not valid"); err != nil {
		return "", false, err
	}
	local = now.In(zone).Format(clock)
	return local, h.Opens <= local && local < h.Closes, nil // of equal length: as texts they are in order
}

const clock = "15:04"
