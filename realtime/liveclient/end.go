package liveclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/realtime"
)

// CloseForbidden is the code of a server, or of a proxy before it, that knows the
// caller and does not let him in.
const CloseForbidden realtime.CloseCode = 4403

// ErrClosed is what a client says after Close.
var ErrClosed = errors.New("liveclient: the client is closed")

// CloseError is how the server ended a connection.
type CloseError struct {
	Code   realtime.CloseCode
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the connection with %d: %s", e.Code, e.Reason)
}

// StatusError is how the server refused an upgrade.
type StatusError struct {
	Status       int
	Code, Detail string // what the reply says, when it is one of this product
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server refused the connection with status %d: %s", e.Status, e.Detail)
}

// again says whether to connect again after a connection that ended with err, and
// whether the server asked for some time.
func again(err error) (yes, later bool) {
	if e, ok := errors.AsType[*CloseError](err); ok {
		switch e.Code {
		case realtime.CloseTryLater, realtime.CloseRate, realtime.CloseFull:
			return true, true
		case realtime.CloseUnauthenticated, CloseForbidden, realtime.CloseBinary, realtime.CloseTooLarge,
			realtime.CloseTopics, realtime.CloseCode(websocket.StatusProtocolError):
			return false, false
		}
		return true, false
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		busy := e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
		return busy, busy
	}
	return true, false
}

// explain gives the end of a client its kind, and says what to do.
func explain(err error) error {
	var code, status int
	if e, ok := errors.AsType[*CloseError](err); ok {
		code = int(e.Code)
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		status = e.Status
	}
	switch {
	case code == int(realtime.CloseUnauthenticated) || status == http.StatusUnauthorized:
		return problem.New(problem.Unauthenticated, "live_unauthenticated", "the server does not accept the credential, or no longer").
			Fix("sign in again and dial with the new token").Because(err)
	case code == int(CloseForbidden) || status == http.StatusForbidden:
		return problem.New(problem.Forbidden, "live_forbidden", "the server does not let the caller in").
			Fix("send no Origin, or one that the server allows").Because(err)
	case code == int(realtime.CloseTopics) || code == int(realtime.CloseTooLarge):
		return problem.New(problem.TooLarge, "live_limit", "a limit of the connection was reached").
			Fix("subscribe to less, or with a second client").Because(err)
	}
	if yes, _ := again(err); yes {
		return problem.New(problem.Unavailable, "live_unavailable", "the server of live events cannot be reached, or has ended the connection").
			Fix("try again").Because(err)
	}
	return problem.New(problem.Invalid, "live_protocol", "the address does not serve live events as this client knows them").
		Fix("give the address of the endpoint, e.g. https://host/api/v1/ws").Because(err)
}

// ending is what the failure of a read says.
func ending(err error) error {
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		return &CloseError{realtime.CloseCode(e.Code), e.Reason}
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return &CloseError{realtime.CloseTooLarge, "the server's frame is larger than any of the protocol"}
	}
	return err
}

// refusal reads the reply of a server that does not upgrade.
func refusal(response *http.Response) error {
	e := &StatusError{Status: response.StatusCode, Detail: http.StatusText(response.StatusCode)}
	var said struct{ Code, Detail string }
	if body, err := io.ReadAll(response.Body); err == nil && json.Unmarshal(body, &said) == nil && said.Detail != "" {
		e.Code, e.Detail = said.Code, said.Detail
	}
	return e
}
