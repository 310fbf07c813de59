package jetadmin

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/workflow"
)

// receiveAnswer takes the answer to something that a run waits for.
func (a *App) receiveAnswer(ctx context.Context, in realtime.Input) (any, error) {
	if in.Type != "run.answer" {
		return nil, problem.New(problem.Invalid, "input_unknown", "a run takes no input of this type").Fix(`send "run.answer"`)
	}
	var said struct {
		WaitID string `json:"waitId"`
		workflow.Answer
	}
	if err := readInput(in, &said); err != nil {
		return nil, problem.New(problem.Invalid, "answer_invalid", "the answer is an object with waitId and approved, values or comment").Because(err)
	}
	wait, err := a.workflows.Waiting(ctx, said.WaitID)
	if err == nil && wait.RunID != in.Topic.ID {
		err = problem.Missing("wait")
	}
	if err != nil {
		return nil, err
	}
	_, err = a.workflows.Answer(ctx, said.WaitID, said.Answer)
	return nil, err
}

// receiveWidget takes what widgets say to the tenant that they are in, and answers with
// the link, or the wait that an input has answered.
func (a *App) receiveWidget(ctx context.Context, in realtime.Input) (any, error) {
	switch in.Type {
	case "widget.connect":
		var link workflow.NewWidgetLink
		if err := readInput(in, &link); err != nil {
			return nil, inputInvalid("a link is an object with widget, mode, replaces, and workflowId, input and idempotencyKey or runId", err)
		}
		return answered(a.workflows.Connect(ctx, link))
	case "widget.refresh":
		var again struct {
			LinkID string         `json:"linkId"`
			Input  map[string]any `json:"input"`
		}
		if err := readInput(in, &again); err != nil {
			return nil, inputInvalid("to refresh takes an object with linkId and input", err)
		}
		return answered(a.workflows.Refresh(ctx, again.LinkID, again.Input))
	case "widget.input":
		var said struct {
			LinkID string `json:"linkId"`
			workflow.WidgetInput
		}
		if err := readInput(in, &said); err != nil {
			return nil, inputInvalid("an input is an object with linkId, waitId, and approved, values or comment", err)
		}
		return answered(a.workflows.Input(ctx, said.LinkID, said.WidgetInput))
	case "widget.disconnect":
		var link struct {
			LinkID string `json:"linkId"`
		}
		if err := readInput(in, &link); err != nil {
			return nil, inputInvalid("to disconnect takes an object with linkId", err)
		}
		return nil, a.workflows.Disconnect(ctx, link.LinkID)
	}
	return nil, problem.New(problem.Invalid, "input_unknown", "a tenant takes no input of this type").
		Fix(`send "widget.connect", "widget.refresh", "widget.input" or "widget.disconnect"`)
}

// answered leaves out the answer of what failed.
func answered[T any](answer T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func readInput(in realtime.Input, into any) error {
	d := json.NewDecoder(bytes.NewReader(in.Data))
	d.UseNumber()
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func inputInvalid(message string, err error) error {
	return problem.New(problem.Invalid, "input_invalid", message).Because(err)
}

// viewLink is what the topic of a widget's link shows: the run that it is made to.
func (a *App) viewLink(ctx context.Context, t realtime.Topic) (realtime.View, error) {
	link, err := a.workflows.LinkedRun(ctx, t.ID)
	return realtime.View{
		Of:    realtime.Topic{Kind: "run", ID: link.RunID},
		Types: []string{workflow.EventNode, workflow.EventRun, workflow.EventWait},
		Show:  func(e realtime.PastEvent) (string, any) { return link.Show(e.Type, e.Data) },
	}, err
}
