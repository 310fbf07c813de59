package api

import (
	"embed"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// docsFiles are the page that renders the OpenAPI document, written by hand and
// without anything from elsewhere.
//
//go:embed docs
var docsFiles embed.FS

// docsPolicy lets the page load its own two files and ask its own server,
// nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (a *API) docsRoutes() {
	a.registerRaw(Operation{
		ID: "getOpenAPI", Method: http.MethodGet, Path: "/openapi.json", Access: SignedIn, Tag: "documentation",
		Summary: "This document (OpenAPI 3.1)",
	}, http.HandlerFunc(a.serveDocument), rawResponses("the document", jsonType))

	for _, page := range []struct{ id, path, file, mediaType, summary string }{
		{"getDocs", "/docs", "docs/index.html", "text/html; charset=utf-8", "This document as a page"},
		{"getDocsScript", "/docs/docs.js", "docs/docs.js", "text/javascript; charset=utf-8", "The page's script"},
		{"getDocsStyle", "/docs/docs.css", "docs/docs.css", "text/css; charset=utf-8", "The page's style"},
	} {
		a.registerRaw(Operation{
			ID: page.id, Method: http.MethodGet, Path: page.path, Access: Public, Tag: "documentation", Summary: page.summary,
		}, docsFile(page.file, page.mediaType), rawResponses("the file", page.mediaType))
	}
}

func rawResponses(description, mediaType string) map[string]*huma.Response {
	return map[string]*huma.Response{
		"200": {
			Description: description,
			Content:     map[string]*huma.MediaType{mediaType: {}},
		},
		"default": problemResponse("any other problem"),
	}
}

func (a *API) serveDocument(w http.ResponseWriter, _ *http.Request) {
	serveBytes(w, jsonType, a.text)
}

func docsFile(name, mediaType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		file, err := docsFiles.ReadFile(name)
		if err != nil {
			panic(err) // the file is part of the binary
		}
		w.Header().Set("Content-Security-Policy", docsPolicy)
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin") // who opens the page has no hold on its window
		serveBytes(w, mediaType, file)
	})
}

func serveBytes(w http.ResponseWriter, mediaType string, content []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // a caller that has gone cannot be told so
}
