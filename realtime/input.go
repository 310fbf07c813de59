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
	said, err := c.hub.receive(ctx, c.principal(), r)
	if err != nil {
		c.refuse(r, r.Topic, err)
	} else {
		c.reply(reply{ID: r.ID, Op: opOK, Topic: r.Topic, Data: said, note: r.note})
	}
	for _, next := range c.protocol.follow(r, said, err) {
		c.serve(next)
	}
}

// receive asks for the right to watch the topic; what more it takes is for the
// receiver to ask.
func (h *Hub) receive(ctx context.Context, who *auth.Principal, r request) (said json.RawMessage, err error) {
	topic, err := ParseTopic(r.Topic)
	if err != nil {
		return nil, err
	}
	if !all(r.Type, isTypeByte) {
		return nil, problem.New(problem.Invalid, "input_invalid", `what is sent needs a type: letters, digits, ".", "-", "_"`)
	}
	if who, err = h.revalidate(ctx, who); err != nil {
		return nil, err
	}
	inTenant, err := h.enter(ctx, who, topic)
	if err != nil {
		return nil, err
	}
	take := h.cfg.Inputs[topic.Kind]
	if take == nil {
		return nil, problem.Newf(problem.Invalid, "input_not_accepted", "a topic of the kind %q takes no input", topic.Kind)
	}
	err = h.safely(ctx, func() error {
		answer, err := take(auth.NewContext(ctx, inTenant), Input{Topic: topic, Type: r.Type, Data: r.Data})
		if err == nil && answer != nil {
			said, err = json.Marshal(answer)
		}
		return err
	})
	return said, err
}
