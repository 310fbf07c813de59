package liveclient

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/realtime"
)

// Kind is what a [Message] is about.
type Kind string

// The kinds of messages.
const (
	Subscribed Kind = "subscribed" // the subscription is on, from after Seq; again after each reconnect
	Event      Kind = "event"      // there is news
	Gap        Kind = "gap"        // the events From to Seq are not there: fetch the object
	Ended      Kind = "ended"      // nothing more of the topic will come, see Err
)

// Message is what a client receives.
type Message struct {
	Kind  Kind
	Topic string
	Seq   int64 // the number in the topic, to subscribe from later on
	From  int64 // of a Gap

	// Of an Event: what happened, the object it is about, and the server's time.
	Type string
	Data json.RawMessage
	Time time.Time

	// Err is why a subscription was refused or has ended, a [*RefusedError].
	Err error
}

// RefusedError is the answer to a subscription that was refused or that has ended.
type RefusedError struct {
	Code   string // e.g. "not_found", "permission_required", "subscription_ended"
	Detail string
	Remedy string // what the caller can do; may be empty
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s (%s)", e.Detail, e.Code) }

// transient reports whether the server could not say now, as opposed to no.
func (e *RefusedError) transient() bool {
	switch e.Code {
	case "realtime_unavailable", "unavailable", "timeout", "internal":
		return true
	}
	return false
}

// frame is anything that the server sends.
type frame struct {
	ID     string          `json:"id"`
	Op     string          `json:"op"`
	Topic  string          `json:"topic"`
	Seq    int64           `json:"seq"`
	From   int64           `json:"from"`
	To     int64           `json:"to"`
	Code   string          `json:"code"`
	Detail string          `json:"detail"`
	Remedy string          `json:"remedy"`
	Type   string          `json:"type"`
	Data   json.RawMessage `json:"data"`
	Time   time.Time       `json:"time"`
}

func decode(text []byte) (f frame, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, &CloseError{realtime.CloseCode(websocket.StatusProtocolError), "the server sends what is not of the protocol"}
	}
	return f, nil
}

// request is anything that the client sends.
type request struct {
	ID    string `json:"id,omitempty"`
	Op    string `json:"op"`
	Topic string `json:"topic,omitempty"`
	Since *int64 `json:"since,omitempty"`
	Token string `json:"token,omitempty"`

	// Of a send.
	Type string          `json:"type,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

func (r request) encode() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, integers and JSON always marshal
	}
	return text
}
