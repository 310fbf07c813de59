package liveclient

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// Now, as the since of a subscription, asks for what happens from now on.
const Now int64 = -1

// subscription is a topic that the caller wants. The client's mu guards it, but
// for gone.
type subscription struct {
	topic    string
	gone     atomic.Bool // the caller wants nothing more of it
	since    int64       // where to begin; once the server has said ok, where to go on
	id       string      // of the request on this connection; "" = not asked yet
	live     bool        // the server has said ok on this connection
	attempts int         // that the server could not answer
	notUntil time.Time   // when to ask again
}

// Subscribe asks for the events of a topic after a number: that of the last
// [Message] seen that has one, 0 for all that the server holds, [Now] for none of them. It does
// not wait: the answer comes with Next, as [Subscribed] or [Ended].
//
// Errors: Invalid for a name that is none and a negative number; Conflict for a
// topic that is subscribed to; that of Next when the client has ended.
func (c *Client) Subscribe(topic string, since int64) error {
	if _, err := realtime.ParseTopic(topic); err != nil {
		return err
	}
	if since < Now {
		return problem.New(problem.Invalid, "since_invalid", "since is the number of an event, 0 or Now")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.byTopic(topic) != nil {
		return problem.New(problem.Conflict, "already_subscribed", "there is a subscription to the topic already")
	}
	c.subs = append(c.subs, &subscription{topic: topic, since: since})
	c.wake()
	return nil
}

// Unsubscribe ends a subscription: Next returns nothing more of it, nor that it has
// ended. NotFound says that there is none.
func (c *Client) Unsubscribe(topic string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.byTopic(topic)
	if s == nil {
		return problem.New(problem.NotFound, "not_subscribed", "there is no subscription to the topic")
	}
	s.gone.Store(true)
	c.forget(s)
	if s.id != "" {
		c.leaving[topic] = true
		c.wake()
	}
	return nil
}

// byTopic, byID and forget are called with mu held.
func (c *Client) byTopic(topic string) *subscription {
	return c.find(func(s *subscription) bool { return s.topic == topic })
}

func (c *Client) byID(id string) *subscription {
	return c.find(func(s *subscription) bool { return s.id != "" && s.id == id })
}

func (c *Client) find(match func(*subscription) bool) *subscription {
	if i := slices.IndexFunc(c.subs, match); i >= 0 {
		return c.subs[i]
	}
	return nil
}

func (c *Client) forget(s *subscription) {
	c.subs = slices.DeleteFunc(c.subs, func(other *subscription) bool { return other == s })
}

func (c *Client) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// startOver makes every subscription one that has to be asked for, on a new
// connection.
func (c *Client) startOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.leaving)
	c.loseSends()
	for _, s := range c.subs {
		s.id, s.live, s.notUntil = "", false, time.Time{}
	}
	c.wake()
}

// open returns the requests that are to be sent now, and how long to wait until
// there may be more, 0 = until something changes.
func (c *Client) open(now time.Time) (requests []request, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic := range c.leaving {
		requests = append(requests, request{ID: "leave", Op: "unsubscribe", Topic: topic})
	}
	clear(c.leaving)
	for _, s := range c.subs {
		if s.id != "" {
			continue
		}
		if left := s.notUntil.Sub(now); left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		c.asked++
		s.id = strconv.Itoa(c.asked)
		r := request{ID: s.id, Op: "subscribe", Topic: s.topic}
		if s.since != Now {
			since := s.since
			r.Since = &since
		}
		requests = append(requests, r)
	}
	return append(requests, c.unsent()...), wait
}
