package api

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/problem"
)

// The media types of a stream of rows.
const (
	csvType    = "text/csv; charset=utf-8"
	ndjsonType = "application/x-ndjson"
)

// The trailers of a stream that is whole.
const (
	rowCountTrailer  = "X-Row-Count"
	truncatedTrailer = "X-Truncated"
)

// negotiated answers with rows, one by one, whoever prefers one of their media
// types to JSON.
func (a *API) negotiated(whole, stream http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if streamTypeOf(r.Header.Get("Accept")) == "" {
			whole.ServeHTTP(w, r)
			return
		}
		stream.ServeHTTP(w, r)
	})
}

// streamTypeOf is the media type of a stream that an Accept header prefers to
// JSON, or "".
func streamTypeOf(accept string) string {
	best, quality := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if given, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(given, 64); err != nil {
				continue
			}
		}
		if q > quality {
			best, quality = name, q
		}
	}
	switch best {
	case "text/csv":
		return csvType
	case ndjsonType:
		return ndjsonType
	}
	return ""
}

func streamContent() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{csvType: {}, ndjsonType: {}}
}

// streamQuery is runQuery row by row.
func (a *API) streamQuery(w http.ResponseWriter, r *http.Request) {
	params, err := streamParams(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.stream(w, r, streamTypeOf(r.Header.Get("Accept")), func(to *outlet) error {
		streamed, err := a.cfg.Datasources.StreamQuery(r.Context(), r.PathValue("id"), params, to)
		if err == nil {
			to.end(streamed)
		}
		return err
	})
}

// stream replies piece by piece. Until the first of them every failure is a problem
// like any other. Later on, NDJSON ends with a line that has it; CSV has no place for
// it, so the connection is broken off.
func (a *API) stream(w http.ResponseWriter, r *http.Request, mediaType string, send func(to *outlet) error) {
	to := newOutlet(w, mediaType)
	defer to.free()
	defer func() {
		if cause := recover(); cause != nil && to.begun && cause != http.ErrAbortHandler {
			a.reply(r.Context(), fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			panic(http.ErrAbortHandler) // a problem has no place in the middle of rows
		} else if cause != nil {
			panic(cause)
		}
	}()
	switch err := send(to); {
	case err != nil && !to.begun:
		a.fail(w, r, err)
	case err != nil:
		to.abandon(a.reply(r.Context(), err))
	}
}

// streamParams reads what huma reads for the whole reply.
func streamParams(r *http.Request) (map[string]any, error) {
	var f problem.Faults
	f.Check(r.URL.RawQuery == "", "", "this operation has no query parameters")
	f.Check(len(r.Header[idempotencyHeader]) == 0, idempotencyHeader, "cannot be used with a stream, which is not kept")
	if len(f.List()) > 0 {
		return nil, invalid(f.List())
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	var in struct {
		Params map[string]any `json:"params"`
	}
	if err := unmarshal(body, &in); err != nil {
		return nil, invalid([]problem.Fault{{Message: err.Error()}})
	}
	return in.Params, nil
}
