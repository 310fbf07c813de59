package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
)

// Access says who may call an operation.
type Access string

// The kinds of access. Every operation declares one.
const (
	// Public needs no credential, and looks at none.
	Public Access = "public"
	// Anyone needs no credential, but knows the caller by a valid one and refuses
	// one that is not.
	Anyone Access = "anyone"
	// SignedIn needs a valid credential, and no tenant.
	SignedIn Access = "signedIn"
	// InTenant needs a member of the route's tenant who holds the operation's
	// permission. The service method checks the permission, on the object.
	InTenant Access = "inTenant"
)

// Operation is what is known of a route before any request: it makes the
// OpenAPI document, the way of a request, and the list that tests walk.
type Operation struct {
	ID         string          // name in the OpenAPI document, e.g. "listQueries"; unique
	Method     string          // e.g. http.MethodGet
	Path       string          // below {BasePath}/api/v1, or below BasePath when Root, e.g. "/tenants/{tenantId}/queries"
	Access     Access          // who may call it; required
	Permission auth.Permission // what the service asks for; required with InTenant, empty otherwise

	Tag         string // section of the documentation, e.g. "queries"
	Summary     string // one line; required
	Description string // more; may be empty
	Example     any    // example of the body; may be nil

	Query []*huma.Param // parameters of the query string, for registerRaw

	Status  int   // of success; 0 = 200, or 204 without a reply body
	MaxBody int64 // bytes of the body; 0 = Config.MaxBody

	Raw      bool // its body is not JSON; set by registerRaw
	Reads    bool // it changes nothing, though it is a POST
	Root     bool // not below /api/v1 (health)
	Secret   bool // its reply shows a secret, once: a repetition with an Idempotency-Key does not
	Streamed bool // another handler answers row by row whoever accepts that; set by registerStreamed
	Unkeyed  bool // a POST that takes no Idempotency-Key, because its reply sets a cookie or its retry is harmless
}

const (
	apiPrefix   = "/api/v1"
	tenantParam = "tenantId"
)

// URLPath is the operation's path below the base path, with its parameters in
// braces, e.g. "/api/v1/tenants/{tenantId}".
func (op Operation) URLPath() string {
	if op.Root {
		return op.Path
	}
	return apiPrefix + op.Path
}

// check finds a declaration that says too little, or contradicts itself.
func (op Operation) check() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("operation %s %s: %s", op.Method, op.Path, what))
		}
	}
	need(op.ID != "", "needs an ID")
	need(op.Method != "", "needs a method")
	need(strings.HasPrefix(op.Path, "/"), "needs a path that begins with a slash")
	need(op.Summary != "", "needs a summary")
	need(op.Tag != "", "needs a tag")
	hasTenant := strings.HasPrefix(op.Path+"/", "/tenants/{"+tenantParam+"}/")
	switch op.Access {
	case InTenant:
		need(op.Permission != "", "needs a permission")
		need(hasTenant, "is in a tenant, so its path begins with /tenants/{"+tenantParam+"}")
	case Public, Anyone, SignedIn:
		need(op.Permission == "", "asks for a permission without being in a tenant")
		need(!hasTenant, "is below a tenant, so it is declared in the tenant")
	default:
		need(false, "does not declare who may call it")
	}
	return errors.Join(errs...)
}

// register adds an operation. It is the only way to add one that reads or writes
// JSON; I and O are huma's input and output structs.
//
// An operation whose declaration is wanting is not added, and makes [New] fail.
func register[I, O any](a *API, op Operation, handle func(ctx context.Context, in *I) (*O, error)) {
	if !a.declare(op) {
		return
	}
	huma.Register(a.huma, op.document(a.cfg.BasePath), func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.reply(ctx, err)
		}
		return out, nil
	})
}

// registerStreamed is [register] for a POST that also answers row by row, see
// [API.negotiated].
func registerStreamed[I, O any](a *API, op Operation, handle func(ctx context.Context, in *I) (*O, error), stream http.HandlerFunc) {
	op.Streamed = true
	a.streams[op.ID] = stream
	register(a, op, handle)
	if path := a.document.Paths[op.Path]; path != nil {
		maps.Copy(path.Post.Responses["200"].Content, streamContent())
	}
}

// registerRaw adds an operation that writes its reply itself: a page, a socket.
// It has the same declaration and the same way up to the handler, without the
// body and the buffer.
func (a *API) registerRaw(op Operation, handler http.Handler, responses map[string]*huma.Response) {
	op.Raw = true
	if !a.declare(op) {
		return
	}
	doc := op.document(a.cfg.BasePath)
	doc.Responses, doc.Parameters = responses, slices.Concat(op.pathParams(), op.Query, doc.Parameters)
	if !safe(op.Method) {
		doc.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{}, Example: op.Example}}}
	}
	a.document.AddOperation(&doc)
	pattern := op.Method + " " + a.cfg.BasePath + op.URLPath()
	if strings.HasSuffix(pattern, "/") {
		pattern += "{$}" // the path, not what is below it
	}
	a.mux.Handle(pattern, a.identified(op, handler))
}

// pathParams describes the parameters of the path, which huma finds by itself
// where it knows the input.
func (op Operation) pathParams() (params []*huma.Param) {
	for segment := range strings.SplitSeq(op.Path, "/") {
		if name := strings.Trim(segment, "{}"); name != segment {
			params = append(params, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
	}
	return params
}

func (a *API) declare(op Operation) bool {
	if err := op.check(); err != nil {
		a.faults = append(a.faults, err)
		return false
	}
	a.operations = append(a.operations, op)
	return true
}

// declaration is the key under which huma's operation carries ours.
const declaration = "declaration"

func (op Operation) document(basePath string) huma.Operation {
	doc := huma.Operation{
		OperationID:   op.ID,
		Method:        op.Method,
		Path:          op.Path,
		Tags:          []string{op.Tag},
		Summary:       op.Summary,
		Description:   op.Description,
		DefaultStatus: op.Status,
		Extensions:    map[string]any{"x-access": string(op.Access)},
		Metadata:      map[string]any{declaration: op},
		Responses:     op.problems(),
		Security:      []map[string][]string{},

		// decoded has read and checked the body before huma sees it.
		MaxBodyBytes:                 -1,
		SkipValidateBody:             true,
		RejectUnknownQueryParameters: true,
	}
	if op.Root {
		doc.Servers = []*huma.Server{{URL: cmp.Or(basePath, "/")}}
	}
	if op.Access != Public {
		doc.Security = credentials()
	}
	if op.Access == Anyone {
		doc.Security = append(doc.Security, map[string][]string{}) // or none of them
	}
	if op.Permission != "" {
		doc.Extensions["x-permission"] = string(op.Permission)
	}
	if op.idempotent() {
		doc.Parameters = []*huma.Param{idempotencyParam()}
	}
	if op.viewable() {
		doc.Parameters = append(doc.Parameters, viewAsParam())
	}
	if op.Example != nil {
		doc.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{jsonType: {Example: op.Example}}}
	}
	return doc
}

// problems lists the refusals that a caller of the operation has to expect.
func (op Operation) problems() map[string]*huma.Response {
	responses := map[string]*huma.Response{"default": problemResponse("any other problem")}
	add := func(statuses ...int) {
		for _, status := range statuses {
			responses[strconv.Itoa(status)] = problemResponse(http.StatusText(status))
		}
	}
	if op.Access != Public {
		add(http.StatusUnauthorized)
	}
	if op.Access == InTenant {
		add(http.StatusForbidden, http.StatusNotFound)
	}
	if op.viewable() {
		add(http.StatusUnprocessableEntity)
	}
	switch op.Method {
	case http.MethodPost:
		add(http.StatusConflict, http.StatusUnprocessableEntity)
	case http.MethodPatch, http.MethodPut:
		add(http.StatusPreconditionFailed, http.StatusUnprocessableEntity)
	}
	return responses
}

func (op Operation) idempotent() bool {
	known := op.Access == SignedIn || op.Access == InTenant // a key belongs to its caller
	return op.Method == http.MethodPost && known && !op.Unkeyed
}
