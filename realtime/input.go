package realtime

import (
	"context"
	"encoding/json"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Input is what a client sent to a topic.
type Input struct {
	Topic Topic
	Type  string          // says what it is, as [Event].Type does of an event
	Data  json.RawMessage // any JSON; nil = none was sent
}

// send hands what a client sends to whoever takes it for the kind of topic.
func (c *client) send(r request) {
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	if err := c.hub.receive(ctx, c.principal(), r); err != nil {
		c.reply(refusal(r.ID, r.Topic, err))
		return
	}
	c.reply(reply{ID: r.ID, Op: opOK, Topic: r.Topic})
}

// receive asks for the right to watch the topic; what more it takes is for the
// receiver to ask.
func (h *Hub) receive(ctx context.Context, who *auth.Principal, r request) error {
	topic, err := ParseTopic(r.Topic)
	if err != nil {
		return err
	}
	if !all(r.Type, isTypeByte) {
		return problem.New(problem.Invalid, "input_invalid", `what is sent needs a type: letters, digits, ".", "-", "_"`)
	}
	if who, err = h.revalidate(ctx, who); err != nil {
		return err
	}
	inTenant, err := h.enter(ctx, who, topic)
	if err != nil {
		return err
	}
	take := h.cfg.Inputs[topic.Kind]
	if take == nil {
		return problem.Newf(problem.Invalid, "input_not_accepted", "a topic of the kind %q takes no input", topic.Kind)
	}
	return h.safely(ctx, func() error {
		return take(auth.NewContext(ctx, inTenant), Input{Topic: topic, Type: r.Type, Data: r.Data})
	})
}
