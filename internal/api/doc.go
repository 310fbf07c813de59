// Package api is the HTTP face of the platform, and the only package that knows
// HTTP routes or huma.
//
// A resource is one file: its routes on top, one short function each that
// decodes, calls one exported service method and encodes. Nothing here decides
// who may do what, and nothing here touches tables, except the idempotency keys
// in idempotency_store.go.
//
// The way of a request:
//
//	ServeHTTP     request id, security headers, limits, canonical path, origin
//	ServeMux      one pattern per operation; 404 and 405 are problems, nothing redirects
//	buffered      the reply is whole before it leaves; a panic becomes a 500
//	identified    credential → principal; tenant of the route → membership
//	decoded       JSON body, read strictly and checked against the operation's schema
//	idempotent    POST with an Idempotency-Key
//	handler       the function that was given to register
//
// [register] is the only way to add an operation. It refuses one that does not
// say who may call it, so that the OpenAPI document and the tests that walk
// every route learn of each.
package api
