package eio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Kind is the first byte of a Socket.IO packet.
type Kind byte

// The kinds of Socket.IO packets.
const (
	Connect      Kind = '0'
	Disconnect   Kind = '1'
	Event        Kind = '2'
	Ack          Kind = '3'
	ConnectError Kind = '4'
	BinaryEvent  Kind = '5'
	BinaryAck    Kind = '6'
)

// DefaultNamespace is the one of packets that name none.
const DefaultNamespace = "/"

// NoID is the ID of a packet that has none.
const NoID = -1

const (
	maxNamespace = 128       // bytes
	maxID        = 1<<53 - 1 // a JavaScript number
)

// Packet is a Socket.IO packet.
type Packet struct {
	Kind      Kind
	Namespace string // begins with a slash
	ID        int64  // of the acknowledgement that is asked for or given, or [NoID]
	Data      []byte // JSON; nil = none
}

// ParsePacket reads the content of an Engine.IO message. The data of an event is
// an array that begins with a string, that of an acknowledgement an array, that
// of a connection an object or nothing. The error is [ErrPacket] or [ErrBinary].
func ParsePacket(message []byte) (Packet, error) {
	if len(message) == 0 {
		return Packet{}, ErrPacket
	}
	p := Packet{Kind: Kind(message[0]), ID: NoID}
	rest := message[1:]
	switch {
	case p.Kind == BinaryEvent || p.Kind == BinaryAck:
		return Packet{}, ErrBinary
	case p.Kind < Connect || p.Kind > ConnectError:
		return Packet{}, ErrPacket
	}
	var ok bool
	if p.Namespace, rest, ok = cutNamespace(rest); !ok {
		return Packet{}, ErrPacket
	}
	if p.ID, rest, ok = cutID(rest); !ok {
		return Packet{}, ErrPacket
	}
	if len(rest) > 0 {
		p.Data = rest
	}
	if !p.fits() {
		return Packet{}, ErrPacket
	}
	return p, nil
}

// cutNamespace takes "/name," from the front; without it, the namespace is the
// default one.
func cutNamespace(s []byte) (namespace string, rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '/' {
		return DefaultNamespace, s, true
	}
	end := bytes.IndexByte(s, ',')
	if end < 0 {
		end = len(s) // a connection without data may leave out the comma
	}
	if end > maxNamespace || !utf8.Valid(s[:end]) {
		return "", nil, false
	}
	return string(s[:end]), s[min(end+1, len(s)):], true
}

// cutID takes digits from the front.
func cutID(s []byte) (id int64, rest []byte, ok bool) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		if id = id*10 + int64(s[n]-'0'); id > maxID {
			return 0, nil, false
		}
		n++
	}
	if n == 0 {
		id = NoID
	}
	return id, s[n:], true
}

// fits reports whether a packet of the kind has such an id and data.
func (p Packet) fits() bool {
	if p.Data != nil && !json.Valid(p.Data) {
		return false
	}
	switch p.Kind {
	case Connect:
		return p.ID == NoID && (p.Data == nil || opens(p.Data, '{'))
	case Disconnect:
		return p.ID == NoID && p.Data == nil
	case Event:
		_, _, err := Arguments(p.Data)
		return err == nil
	case Ack:
		return p.ID != NoID && opens(p.Data, '[')
	}
	return p.ID == NoID && (opens(p.Data, '{') || opens(p.Data, '"'))
}

func opens(data []byte, with byte) bool {
	data = bytes.TrimLeft(data, space)
	return len(data) > 0 && data[0] == with
}

// Frame is the packet in an Engine.IO message, as a text frame.
func (p Packet) Frame() []byte {
	frame := make([]byte, 0, len(p.Namespace)+len(p.Data)+24)
	frame = append(frame, byte(Message), byte(p.Kind))
	if p.Namespace != "" && p.Namespace != DefaultNamespace {
		frame = append(frame, p.Namespace...)
		frame = append(frame, ',')
	}
	if p.ID != NoID {
		frame = strconv.AppendInt(frame, p.ID, 10)
	}
	return append(frame, p.Data...)
}
