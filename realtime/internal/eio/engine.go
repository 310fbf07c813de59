package eio

import (
	"encoding/json"
	"time"
)

// Type is the first byte of an Engine.IO packet.
type Type byte

// The types of Engine.IO packets. Upgrade belongs to the change of transports,
// which does not exist with WebSocket alone.
const (
	Open    Type = '0'
	Close   Type = '1'
	Ping    Type = '2'
	Pong    Type = '3'
	Message Type = '4'
	Upgrade Type = '5'
	Noop    Type = '6'
)

// Parse reads a text frame: the type of the Engine.IO packet and what is in it.
// Only messages have a content. The error is [ErrPacket].
func Parse(frame []byte) (Type, []byte, error) {
	if len(frame) == 0 || frame[0] < byte(Open) || frame[0] > byte(Noop) {
		return 0, nil, ErrPacket
	}
	t, content := Type(frame[0]), frame[1:]
	if t != Message && len(content) > 0 {
		return 0, nil, ErrPacket
	}
	return t, content, nil
}

// Handshake is the first packet of a server. The times are sent in milliseconds.
type Handshake struct {
	SID          string
	PingInterval time.Duration // between two pings of the server
	PingTimeout  time.Duration // in which the client has to answer
	MaxPayload   int           // size of a message from the client in bytes
}

// Frame is the packet as a text frame.
func (h Handshake) Frame() []byte {
	frame, err := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{h.SID, []string{}, milliseconds(h.PingInterval), milliseconds(h.PingTimeout), h.MaxPayload})
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return append([]byte{byte(Open)}, frame...)
}

// milliseconds rounds up: clients take 0 for no time at all.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }
