package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// tokenVariable names the variable with the credential of -watch: arguments can
// be seen by others on the machine.
const tokenVariable = "JETADMIN_TOKEN"

// watched is a frame of the server, as far as it matters here.
type watched struct {
	Op     string    `json:"op"`
	Detail string    `json:"detail"`
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Data   struct {
		Key    string `json:"key"`
		Status string `json:"status"`
		Port   string `json:"port"`
		Error  *struct {
			Message string `json:"message"`
		} `json:"error"`
	} `json:"data"`
}

// watch prints the events of a run until it has ended: from the first one on if a
// person started it, from now on otherwise.
func watch(ctx context.Context, addr, token, run string, stdout io.Writer) error {
	if token == "" {
		return fmt.Errorf("-watch needs a token in %s: sign in first", tokenVariable)
	}
	conn, _, err := websocket.Dial(ctx, "ws://"+addr+"/api/v1/ws", nil)
	if err != nil {
		return fmt.Errorf("-watch: there is no server at %s: %w", addr, err)
	}
	defer conn.CloseNow()
	for _, request := range []map[string]any{
		{"id": "1", "op": "auth", "token": token},
		{"id": "2", "op": "subscribe", "topic": "run:" + run, "since": 0},
	} {
		if err := wsjson.Write(ctx, conn, request); err != nil {
			return fmt.Errorf("-watch: %w", err)
		}
	}
	for {
		var frame watched
		if err := wsjson.Read(ctx, conn, &frame); err != nil {
			return fmt.Errorf("-watch: the connection ended: %w", err)
		}
		switch frame.Op {
		case "error":
			return errors.New("-watch: " + frame.Detail)
		case "gap":
			fmt.Fprintln(stdout, "what happened before was not kept for watchers: GET …/runs/"+run+"/timeline has it")
		case "event":
			fmt.Fprintln(stdout, frame.line())
			if frame.Type == "run.updated" && ended(frame.Data.Status) {
				return nil
			}
		}
	}
}

func (f watched) line() string {
	subject := "run"
	if f.Type == "run.node.updated" {
		subject = "node " + f.Data.Key
	}
	line := fmt.Sprintf("%s  %-16s %s", f.Time.Local().Format("15:04:05.000"), subject, f.Data.Status)
	if f.Data.Port != "" {
		line += " → " + f.Data.Port
	}
	if f.Data.Error != nil {
		line += ": " + f.Data.Error.Message
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
