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
}
