package realtime

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime/internal/eio"
)

// errNamespace is the refusal of a namespace; a client may have several on one
// connection, so the others go on.
var errNamespace = problem.New(problem.NotFound, "namespace_unknown", "there is only the namespace /")

// socketIO is Engine.IO 4 with Socket.IO 5: CONNECT is the auth of the package's
// own protocol, events are its requests.
//
// What a reply answers is told by the id of its request: the namespace of a
// CONNECT, the number of an acknowledgement, or nothing.
type socketIO struct {
	handshake eio.Handshake
	connected bool                  // the client has sent CONNECT; the reader's
	widgets   map[string]widgetLink // what the client's widgets are connected with, by their ids; the reader's
}

func newSocketIO(cfg Config) *socketIO {
	return &socketIO{handshake: eio.Handshake{
		SID: rand.Text(), PingInterval: cfg.PingInterval, PingTimeout: cfg.WriteTimeout, MaxPayload: cfg.MaxFrame,
	}}
}

func (s *socketIO) hello() []byte { return s.handshake.Frame() }

func (*socketIO) ping() []byte { return []byte{byte(eio.Ping)} }

func (*socketIO) tongue() tongue { return socketIOTongue }

// bye keeps a client from coming back where it would meet the same end: told to
// disconnect, clients do; of a connection that just ends they make a new one.
func (*socketIO) bye(code CloseCode) []byte {
	switch code {
	case CloseProtocol, CloseBinary, CloseTooLarge, CloseUnauthenticated, CloseTopics:
		return eio.Packet{Kind: eio.Disconnect, ID: eio.NoID}.Frame()
	}
	return nil
}

func (s *socketIO) request(message []byte) (request, error) {
	t, content, err := eio.Parse(message)
	switch {
	case err != nil:
		return request{}, errProtocol
	case t == eio.Message:
		return s.packet(content)
	case t == eio.Pong:
		return request{control: signOfLife}, nil
	case t == eio.Close:
		return request{control: farewell}, nil
	case t == eio.Noop:
		return request{control: nothing}, nil
	}
	return request{}, errProtocol
}

func (s *socketIO) packet(message []byte) (request, error) {
	p, err := eio.ParsePacket(message)
	switch {
	case errors.Is(err, eio.ErrBinary):
		return request{}, errBinary
	case err != nil:
		return request{}, errProtocol
	case p.Namespace != eio.DefaultNamespace && p.Kind == eio.Connect:
		return request{ID: p.Namespace}, errNamespace
	case p.Namespace != eio.DefaultNamespace:
		return request{}, errProtocol
	}
	switch p.Kind {
	case eio.Connect:
		return s.connect(p.Data)
	case eio.Event:
		return s.requestOf(p)
	case eio.Disconnect:
		return request{control: farewell}, nil
	case eio.Ack:
		return request{control: nothing}, nil // nobody has asked
	}
	return request{}, errProtocol
}

// connect reads the data of a CONNECT. Without a token, the upgrade has to have
// said who it is.
func (s *socketIO) connect(data []byte) (request, error) {
	if s.connected {
		return request{}, errProtocol
	}
	s.connected = true
	r := request{ID: eio.DefaultNamespace, Op: opAuth}
	var auth struct{ Token string }
	if len(data) > 0 && json.Unmarshal(data, &auth) != nil {
		return r, problem.New(problem.Invalid, "auth_invalid", "auth.token has to be a string")
	}
	r.Token = auth.Token
	return r, nil
}

func (s *socketIO) reply(r reply) []byte {
	if r.Code == codeSubscribed || r.Code == codeNotSubscribed {
		// Rooms of Socket.IO are sets: to join twice, or to leave what was not joined, is no fault.
		r = reply{ID: r.ID, Op: opOK, Topic: r.Topic}
	}
	switch {
	case r.note != nil:
		return widgetReply(r)
	case strings.HasPrefix(r.ID, "/"):
		return s.connection(r)
	case r.ID != "":
		return acknowledgement(r)
	case r.Op == opError:
		return emit("live_error", problemOf(r))
	case r.Op == opGap:
		return emit("live_gap", struct {
			Topic string `json:"topic"`
			From  int64  `json:"from"`
			To    int64  `json:"to"`
		}{r.Topic, r.From, r.To})
	}
	return nil // nobody has asked for an acknowledgement
}

// connection answers a CONNECT.
func (s *socketIO) connection(r reply) []byte {
	if r.Op == opOK {
		return eio.Packet{Kind: eio.Connect, ID: eio.NoID, Data: encode(map[string]string{"sid": s.handshake.SID})}.Frame()
	}
	return eio.Packet{Kind: eio.ConnectError, Namespace: r.ID, ID: eio.NoID, Data: encode(map[string]any{
		"message": r.Code, "data": problemOf(r),
	})}.Frame()
}

// refused is what the client hears of a request that failed.
type refused struct {
	Topic  string `json:"topic,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func problemOf(r reply) refused { return refused{r.Topic, r.Code, r.Detail, r.Remedy} }

// acknowledgement answers an event.
func acknowledgement(r reply) []byte {
	id, err := strconv.ParseInt(r.ID, 10, 64)
	if err != nil {
		return nil // a request has no such id
	}
	data := encode([]any{struct {
		OK bool `json:"ok"`
		refused
	}{false, problemOf(r)}})
	if r.Op == opOK {
		data = encode([]any{struct {
			OK    bool   `json:"ok"`
			Topic string `json:"topic,omitempty"`
			Seq   int64  `json:"seq,omitempty"`
		}{true, r.Topic, r.Seq}})
	}
	return eio.Packet{Kind: eio.Ack, ID: id, Data: data}.Frame()
}

func emit(name string, data any) []byte {
	return eio.Packet{Kind: eio.Event, ID: eio.NoID, Data: encode([]any{name, data})}.Frame()
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return text
}

// event has the event of the reference product, and as a second argument what the
// package's own protocol says of every event.
func (*socketIO) event(topic string, m Message) []byte {
	e, err := m.past()
	t, wrong := ParseTopic(topic)
	if err != nil || wrong != nil {
		return nil
	}
	name, data := socketIOEvent(t, e)
	arguments, err := json.Marshal([]any{name, data, struct {
		Topic string    `json:"topic"`
		Seq   int64     `json:"seq"`
		Type  string    `json:"type"`
		Time  time.Time `json:"time"`
	}{topic, m.Seq, e.Type, e.Time}})
	if err != nil {
		return nil
	}
	return eio.Packet{Kind: eio.Event, ID: eio.NoID, Data: arguments}.Frame()
}
