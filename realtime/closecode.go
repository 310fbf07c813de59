package realtime

// CloseCode is why the server ended a connection. The package comment has the
// table of limits behind the codes.
type CloseCode int

// The close codes. Those below 4000 are of RFC 6455 and its registry.
const (
	CloseProtocol        CloseCode = 1002 // the protocol, of WebSocket or Socket.IO, was broken
	CloseBinary          CloseCode = 1003 // a binary frame
	CloseTooLarge        CloseCode = 1009 // a frame over the limit
	CloseRestart         CloseCode = 1012 // the server stops: come back and resume
	CloseTryLater        CloseCode = 1013 // rights cannot be checked now: come back later and resume
	CloseUnfinished      CloseCode = 4400 // a message was begun and not finished in time
	CloseUnauthenticated CloseCode = 4401 // no valid credential, or no longer
	CloseSlow            CloseCode = 4408 // too slow; the reason is "<topic> <seq>" to resume from
	CloseTopics          CloseCode = 4413 // too many topics
	CloseRate            CloseCode = 4429 // too many messages
	CloseFull            CloseCode = 4503 // too many connections
)

// closeFarewell answers a client that says that it goes.
const closeFarewell CloseCode = 1000
