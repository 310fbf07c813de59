package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (a *API) liveRoutes() {
	a.registerRaw(Operation{
		// The hub checks the origin, takes the cookie or waits for a token, and
		// closes on whoever brings neither.
		ID: "openSocket", Method: http.MethodGet, Path: "/ws", Access: Public, Tag: "live",
		Summary:     "Live events, as a WebSocket",
		Description: "The socket asks for its credential itself: the session cookie, or within 10 seconds `{\"id\":\"1\",\"op\":\"auth\",\"token\":\"…\"}`.",
	}, a.cfg.Hub, map[string]*huma.Response{
		"101":     {Description: "the socket is open"},
		"default": problemResponse("any other problem"),
	})
	a.registerRaw(Operation{
		ID: "openSocketIO", Method: http.MethodGet, Path: socketIOPath, Root: true, Access: Public, Tag: "live",
		Summary:     "Live events, for clients of Socket.IO",
		Description: "The transport is `websocket` alone. The socket asks for its credential itself: the session cookie, or `auth.token`. What Engine.IO itself refuses, it refuses with its own JSON: `code` and `message`.",
		Query: []*huma.Param{
			{Name: "EIO", In: "query", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"4"}}},
			{Name: "transport", In: "query", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"websocket"}}},
			{Name: "t", In: "query", Description: "differs from request to request", Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}, a.cfg.SocketIO, map[string]*huma.Response{
		"101":     {Description: "the socket is open"},
		"400":     {Description: "another transport or version, or a parameter that is none", Content: engineRefusal()},
		"403":     {Description: "a page of another origin", Content: engineRefusal()},
		"default": problemResponse("any other problem"),
	})
}

// socketIOPath ends with a slash, as the library asks for it.
const socketIOPath = "/socket.io/"

// engineRefusal is the body of a refused handshake of Engine.IO.
func engineRefusal() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{jsonType: {Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"code", "message"},
		Properties: map[string]*huma.Schema{
			"code": {Type: huma.TypeInteger}, "message": {Type: huma.TypeString}, "detail": {Type: huma.TypeString},
		},
	}}}
}
