package eio

// Code says why a handshake is refused.
type Code int

// The codes of Engine.IO.
const (
	UnknownTransport   Code = 0
	UnknownSession     Code = 1
	BadRequest         Code = 3
	Forbidden          Code = 4
	UnsupportedVersion Code = 5
)

// String is the message of the code in the protocol.
func (c Code) String() string {
	switch c {
	case UnknownTransport:
		return "Transport unknown"
	case UnknownSession:
		return "Session ID unknown"
	case Forbidden:
		return "Forbidden"
	case UnsupportedVersion:
		return "Unsupported protocol version"
	}
	return "Bad request"
}

// Refusal is the reply to a handshake that is refused, as JSON.
type Refusal struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"` // for people
}

// Refuse makes the reply with a code.
func Refuse(code Code, detail string) Refusal { return Refusal{code, code.String(), detail} }
