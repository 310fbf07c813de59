// Package eio reads and writes the packets of Engine.IO 4 and, inside of its
// messages, those of Socket.IO 5, as they stand in text frames of a WebSocket:
// one packet a frame, without attachments.
//
// The protocols are written down at
// https://socket.io/docs/v4/engine-io-protocol/ and
// https://socket.io/docs/v4/socket-io-protocol/.
//
// The functions are pure. What they return points into what they were given:
// beside the name of an event, reading a packet takes no memory but the stack of
// the check that its payload is JSON, which encoding/json bounds.
package eio

import "errors"

// Version is that of Engine.IO, which clients name in the parameter EIO.
const Version = "4"

var (
	// ErrPacket says that a frame is not of the protocol.
	ErrPacket = errors.New("eio: the packet is not valid")

	// ErrBinary says that a packet announces attachments, which would be binary frames.
	ErrBinary = errors.New("eio: the packet has attachments")
)
