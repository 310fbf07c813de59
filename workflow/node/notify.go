package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// notify tells somebody something, on one channel or several.
type notify struct{ client *http.Client }

type notifyConfig struct {
	Message  string          `json:"message" jsonschema:"what happened, in a sentence"`
	Data     any             `json:"data,omitempty" jsonschema:"what belongs to it, any JSON"`
	Channels []notifyChannel `json:"channels" jsonschema:"where to; all are tried even if one fails"`
}

type notifyChannel struct {
	Type    string            `json:"type" jsonschema:"webhook: a POST of JSON; log: the log of the node"`
	URL     string            `json:"url,omitempty" jsonschema:"of a webhook; http or https; the server's outbound policy decides whether it may be reached"`
	Headers map[string]string `json:"headers,omitempty" jsonschema:"of a webhook"`
	Level   string            `json:"level,omitempty" jsonschema:"of a log: info (default), warn or error"`
}

const (
	channelWebhook = "webhook"
	channelLog     = "log"

	maxChannels = 20
	// maxNotifyReply is how much of a reply is read, so that its connection can be
	// used again.
	maxNotifyReply = 64 << 10
)

func (notify) Spec() workflow.NodeSpec {
	return workflow.NodeSpec{
		Type: "notify", Title: "Notify", Config: schemaOf[notifyConfig](),
		Description: "Sends a message to webhooks and logs. When one fails the node does, and a repetition sends again under the same Idempotency-Key.",
		Output:      "`channels`: how many got it",
	}
}

func (notify) Check(config map[string]any) error {
	var f problem.Faults
	list, _ := config["channels"].([]any)
	f.Check(len(list) > 0, "channels", "must have at least one channel")
	if len(list) > maxChannels {
		f.Addf("channels", "must not have more than %d channels", maxChannels)
		list = nil
	}
	for i, v := range list {
		c, _ := v.(map[string]any)
		path := fmt.Sprintf("channels[%d]", i)
		switch c["type"] {
		case channelWebhook:
			address, _ := c["url"].(string)
			f.Check(address != "", path+".url", "is required")
			if address != "" && !strings.Contains(address, "{{") {
				_, err := webAddress(address)
				f.Check(err == nil, path+".url", "must be an absolute http or https URL")
			}
		case channelLog:
			level, given := c["level"].(string)
			f.Check(!given || slices.Contains([]string{"info", "warn", "error"}, level), path+".level", "must be one of info, warn, error")
		default:
			f.Add(path+".type", "must be one of webhook, log")
		}
	}
	return f.Err("graph_invalid", "the notification is not valid")
}

func (n notify) Run(ctx context.Context, call *workflow.Call) (workflow.Result, error) {
	var c notifyConfig
	if err := call.Bind(&c); err != nil {
		return workflow.Result{}, err
	}
	body, err := json.Marshal(map[string]any{
		"message": c.Message, "data": call.Config["data"], "runId": call.RunID, "node": call.Key, "time": call.Now,
	})
	if err != nil {
		return workflow.Result{}, err
	}
	var failed error
	for i, channel := range c.Channels {
		if channel.Type == channelLog {
			call.Logger.Log(ctx, logLevel(channel.Level), c.Message, "data", call.Config["data"])
			continue
		}
		if err := n.post(ctx, call, channel, i, body); err != nil && failed == nil {
			failed = err
		}
	}
	return workflow.Result{Output: map[string]any{"channels": len(c.Channels)}}, failed
}

func logLevel(name string) slog.Level {
	switch name {
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// post sends the message to a webhook. Its key is the same for every attempt, so
// that whoever got it before a repetition can tell.
func (n notify) post(ctx context.Context, call *workflow.Call, c notifyChannel, index int, body []byte) error {
	u, err := webAddress(c.URL)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if err := label(r, fmt.Sprintf("%s/%d", call.IdempotencyKey, index), c.Headers); err != nil {
		return err
	}
	reply, err := n.client.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer reply.Body.Close()
	if _, err := io.CopyN(io.Discard, reply.Body, maxNotifyReply); err != nil && err != io.EOF {
		return unreachable(err)
	}
	if reply.StatusCode >= 400 {
		return refused(reply)
	}
	return nil
}
