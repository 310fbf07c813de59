package realtime

import (
	"encoding/json"

	"github.com/jetadmin/jetadmin/problem"
)

// maxRequestID is the length of a request's id in bytes: it is sent back.
const maxRequestID = 64

// The operations of the protocol.
const (
	opAuth        = "auth"
	opSubscribe   = "subscribe"
	opUnsubscribe = "unsubscribe"
	opPing        = "ping"
	opSend        = "send"

	opOK    = "ok"
	opError = "error"
	opGap   = "gap"
	opPong  = "pong"
)

// request is a frame from a client.
type request struct {
	control control
	note    *widgetNote // of Socket.IO, for the reply; nil = none

	ID    string `json:"id"`
	Op    string `json:"op"`
	Topic string `json:"topic"`
	Since *int64 `json:"since"`
	Token string `json:"token"`

	// Of a send.
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// control is what a protocol's own upkeep asks for, beside the requests.
type control int

const (
	serve      control = iota // it is a request
	nothing                   // it asks for nothing
	signOfLife                // it answers a ping of the server
	farewell                  // the client goes
)

// decodeRequest reads a frame from a client. Unknown fields are left to later
// versions of the protocol.
func decodeRequest(frame []byte) (request, error) {
	var r request
	if err := json.Unmarshal(frame, &r); err != nil {
		// The parser's text would repeat parts of the frame, a token among them.
		return request{}, problem.New(problem.Invalid, "frame_invalid", "a frame is one JSON object with string fields id, op, topic, token and type and an integer since")
	}
	var faults problem.Faults
	faults.Check(len(r.ID) <= maxRequestID, "id", "is too long")
	faults.Check(r.Op != "", "op", "must not be empty")
	faults.Check(r.Since == nil || *r.Since >= 0, "since", "must not be negative")
	if err := faults.Err("frame_invalid", "the frame is not valid"); err != nil {
		return request{}, err
	}
	return r, nil
}

// reply is a frame to a client, other than an event.
type reply struct {
	note *widgetNote // of the request

	ID     string `json:"id,omitempty"`
	Op     string `json:"op"`
	Topic  string `json:"topic,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	From   int64  `json:"from,omitempty"`
	To     int64  `json:"to,omitempty"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`

	Data json.RawMessage `json:"data,omitempty"` // what a topic says to a send
}

func (r reply) encode() []byte {
	frame, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, integers and JSON always marshal
	}
	return frame
}

// refusal is the reply to a request that failed. Only the public face of the
// error is shown.
func refusal(id, topic string, err error) reply {
	e := problem.Of(err)
	code := e.Code
	if code == "" {
		code = string(e.Kind)
	}
	detail := e.Message
	for _, f := range e.Faults {
		detail += "; " + f.Path + " " + f.Message
	}
	return reply{ID: id, Op: opError, Topic: topic, Code: code, Detail: detail, Remedy: e.Remedy}
}
