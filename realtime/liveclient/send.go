package liveclient

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// maxSend is the size of what is sent in bytes of JSON: with its frame it stays below
// what a server takes.
const maxSend = 250 << 10

// sending is something to send, until it is answered. The client's mu guards it.
type sending struct {
	request request
	asked   bool // it was sent on this connection, or is about to be
	answer  chan answer
}

type answer struct {
	data json.RawMessage
	err  error
}

// Send gives something to what a topic is about, e.g. "run.answer" to "run:<id>", and
// waits for what it says to that: nil = it was taken, and there is nothing to say. It
// needs no subscription, and waits for a connection while there is none.
//
// Errors: Invalid for a name that is none and data that JSON cannot hold, TooLarge beyond
// 250 KB; a [*RefusedError]; Unavailable when the connection was lost before the answer
// came, and that of ctx: then it may have been taken or not; that of Next when the
// client has ended.
func (c *Client) Send(ctx context.Context, topic, kind string, data any) (json.RawMessage, error) {
	if _, err := realtime.ParseTopic(topic); err != nil {
		return nil, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, problem.New(problem.Invalid, "data_invalid", "what is sent cannot be written as JSON").Because(err)
	}
	if len(text) > maxSend {
		return nil, problem.Newf(problem.TooLarge, "data_too_large", "what is sent is limited to %d bytes", maxSend)
	}
	s, err := c.queue(request{Op: "send", Topic: topic, Type: kind, Data: text})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-s.answer:
		return a.data, a.err
	case <-ctx.Done():
		c.drop(s)
		return nil, ctx.Err()
	case <-c.done:
		select {
		case a := <-s.answer:
			return a.data, a.err
		default:
			return nil, c.ended()
		}
	}
}

func (c *Client) queue(r request) (*sending, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	c.asked++
	r.ID = strconv.Itoa(c.asked)
	s := &sending{request: r, answer: make(chan answer, 1)}
	c.sends = append(c.sends, s)
	c.wake()
	return s, nil
}

func (c *Client) drop(s *sending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sends = slices.DeleteFunc(c.sends, func(other *sending) bool { return other == s })
}

// unsent are the requests that are to be sent now; mu is held.
func (c *Client) unsent() (requests []request) {
	for _, s := range c.sends {
		if !s.asked {
			s.asked = true
			requests = append(requests, s.request)
		}
	}
	return requests
}

// answered gives a frame to who waits for it, and reports whether somebody did; mu is
// held.
func (c *Client) answered(f frame) bool {
	i := slices.IndexFunc(c.sends, func(s *sending) bool { return s.asked && s.request.ID == f.ID })
	if i < 0 {
		return false
	}
	a := answer{data: f.Data}
	if f.Op == "error" {
		a = answer{err: &RefusedError{f.Code, f.Detail, f.Remedy}}
	}
	c.sends[i].answer <- a
	c.sends = slices.Delete(c.sends, i, i+1)
	return true
}

// loseSends tells those whose answer went with the connection; mu is held.
func (c *Client) loseSends() {
	c.sends = slices.DeleteFunc(c.sends, func(s *sending) bool {
		if s.asked {
			s.answer <- answer{err: problem.New(problem.Unavailable, "answer_lost", "the connection was lost before the answer came").
				Fix("look whether it was taken, and send it again if not")}
		}
		return s.asked
	})
}
