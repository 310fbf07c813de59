package realtime

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/jetadmin/jetadmin/realtime/internal/eio"
)

// ServeSocketIO is [Hub.ServeHTTP] for clients of Socket.IO 5 (the JavaScript
// library from version 3 on): the same connections, topics, rights and limits, in
// that protocol's frames. There is only the transport websocket.
//
// A handshake that Engine.IO itself has words for is refused with these, as JSON
// with code and message: 400 for another transport or version, or a parameter
// that the protocol does not know, 403 for a foreign origin. Other refusals are
// those of ServeHTTP.
func (h *Hub) ServeSocketIO(w http.ResponseWriter, r *http.Request) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // Query drops what it cannot read, a credential say
		refuseHandshake(w, http.StatusBadRequest, eio.Refuse(eio.BadRequest, "the address has parameters in no known form"))
		return
	}
	if refused, ok := checkHandshake(given); !ok {
		refuseHandshake(w, http.StatusBadRequest, refused)
		return
	}
	if h.origins.check(r) != nil {
		refuseHandshake(w, http.StatusForbidden, eio.Refuse(eio.Forbidden, errOrigin.Message))
		return
	}
	h.upgrade(w, r, newSocketIO(h.cfg))
}

// checkHandshake looks at what the address says. Parameters of the application are
// refused, as a credential never belongs in a URL; t and b64 are the library's.
func checkHandshake(given url.Values) (eio.Refusal, bool) {
	for name := range given {
		switch name {
		case "EIO", "transport", "sid", "t", "b64":
		default:
			return eio.Refuse(eio.BadRequest, "the address takes no parameters of the application; send the credential as auth.token"), false
		}
	}
	switch {
	case given.Get("transport") != "websocket":
		return eio.Refuse(eio.UnknownTransport, `connect with transports: ["websocket"]`), false
	case given.Get("EIO") != eio.Version:
		return eio.Refuse(eio.UnsupportedVersion, "connect with Engine.IO 4, that is socket.io-client from version 3 on"), false
	case given.Get("sid") != "":
		return eio.Refuse(eio.UnknownSession, "a connection begins with its WebSocket and ends with it"), false
	}
	return eio.Refusal{}, true
}

func refuseHandshake(w http.ResponseWriter, status int, refused eio.Refusal) {
	body, err := json.Marshal(refused)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
