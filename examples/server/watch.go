package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// tokenVariable names the variable with the credential of -watch: arguments can
// be seen by others on the machine.
const tokenVariable = "JETADMIN_TOKEN"

// state is what an event tells of a run or a node, as far as it matters here.
type state struct {
	Key    string `json:"key"`
	Status string `json:"status"`
	Port   string `json:"port"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// watch prints the events of a run until it has ended: from the first one on if a
// person started it, from now on otherwise.
func watch(ctx context.Context, addr, token, run string, stdout, stderr io.Writer) error {
	if token == "" {
		return fmt.Errorf("-watch needs a token in %s: sign in first", tokenVariable)
	}
	client, err := liveclient.Dial(ctx, "http://"+addr+"/api/v1/ws", liveclient.Options{
		Logger: slog.New(slog.NewTextHandler(stderr, nil)), Token: token,
	})
	if err != nil {
		return fmt.Errorf("-watch: %w", err)
	}
	defer client.Close()
	if err := client.Subscribe("run:"+run, 0); err != nil {
		return fmt.Errorf("-watch: %w", err)
	}
	for m, err := range client.All(ctx) {
		if err != nil {
			return fmt.Errorf("-watch: %w", err)
		}
		switch m.Kind {
		case liveclient.Ended:
			return fmt.Errorf("-watch: %w", m.Err)
		case liveclient.Gap:
			fmt.Fprintln(stdout, "what happened before was not kept for watchers: GET …/runs/"+run+"/timeline has it")
		case liveclient.Event:
			var s state
			if err := json.Unmarshal(m.Data, &s); err != nil {
				return fmt.Errorf("-watch: %w", err)
			}
			fmt.Fprintln(stdout, line(m, s))
			if m.Type == "run.updated" && ended(s.Status) {
				return nil
			}
		}
	}
	return nil
}

func line(m liveclient.Message, s state) string {
	subject := "run"
	if m.Type == "run.node.updated" {
		subject = "node " + s.Key
	}
	line := fmt.Sprintf("%s  %-16s %s", m.Time.Local().Format("15:04:05.000"), subject, s.Status)
	if s.Port != "" {
		line += " → " + s.Port
	}
	if s.Error != nil {
		line += ": " + s.Error.Message
	}
	return line
}

func ended(status string) bool {
	switch status {
	case "succeeded", "failed", "cancelled", "timedOut":
		return true
	}
	return false
}
