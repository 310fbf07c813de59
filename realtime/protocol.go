package realtime

import (
	"encoding/json"
	"errors"
)

// protocol is what is said over a connection, not what it does: the package's own
// frames, or those of Socket.IO. request and follow are called by the connection's
// reader alone, the others by anybody at any time.
type protocol interface {
	// hello is what the server says first; then it waits for the client to say who
	// it is. nil = the server says nothing, and the upgrade may have said who it is.
	hello() []byte

	// request reads a message.
	request(message []byte) (request, error)

	// reply is a frame other than an event; nil = the protocol does not say that.
	reply(r reply) []byte

	// follow are the requests that follow from one that was sent to a topic, which has
	// answered with data, or refused it. Like request, for the reader alone.
	follow(r request, said json.RawMessage, refused error) []request

	// event is a message as all get it who are subscribed to the topic over the
	// protocol; nil = it cannot be told.
	event(topic string, m Message) []byte

	// ping asks for a sign of life; nil = a ping of WebSocket does.
	ping() []byte

	// bye is what the client hears before the connection is closed; nil = the code
	// says it all.
	bye(code CloseCode) []byte

	// tongue tells the events of one protocol from those of others.
	tongue() tongue
}

// tongue is a protocol as an index.
type tongue int

const (
	ownTongue tongue = iota
	socketIOTongue
	tongues
)

// errProtocol ends a connection whose client does not keep to the protocol.
var errProtocol = errors.New("the protocol is broken")

// ownFrames is the protocol of the package.
type ownFrames struct{}

func (ownFrames) hello() []byte                                    { return nil }
func (ownFrames) request(message []byte) (request, error)          { return decodeRequest(message) }
func (ownFrames) reply(r reply) []byte                             { return r.encode() }
func (ownFrames) follow(request, json.RawMessage, error) []request { return nil }
func (ownFrames) event(topic string, m Message) []byte             { return eventFrame(topic, m) }
func (ownFrames) ping() []byte                                     { return nil }
func (ownFrames) bye(CloseCode) []byte                             { return nil }
func (ownFrames) tongue() tongue                                   { return ownTongue }

// news is a message on its way to the subscribers of a topic, encoded once for
// each protocol that one of them speaks.
type news struct {
	Message
	topic  string
	frames [tongues][]byte
}

func (n *news) frame(p protocol) []byte {
	at := &n.frames[p.tongue()]
	if *at == nil {
		*at = p.event(n.topic, n.Message)
	}
	return *at
}
