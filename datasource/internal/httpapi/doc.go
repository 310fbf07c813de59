// Package httpapi is what connectors of HTTP APIs share: requests with holes for
// parameters, authentication, one bounded exchange, and rows out of JSON.
//
// A parameter fills one value in the path, the query, a header, a form or the
// JSON body of a request and is escaped for its place; it never adds a path
// segment, a header or a key. Requests go out through the server's egress policy
// and carry the credentials of the datasource, never those of a caller.
package httpapi
