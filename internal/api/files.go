package api

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/page"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/upload"
)

func (a *API) fileRoutes() {
	const tag = "files"
	register(a, Operation{
		ID: "listFiles", Method: http.MethodGet, Path: "/tenants/{tenantId}/files", Access: InTenant, Permission: auth.FileList, Tag: tag,
		Summary: "Uploaded files, newest first",
	}, a.listFiles)
	file := a.document.Components.Schemas.Schema(reflect.TypeFor[upload.File](), true, "")
	a.registerRaw(Operation{
		ID: "createFile", Method: http.MethodPost, Path: "/tenants/{tenantId}/files", Access: InTenant, Permission: auth.FileCreate, Tag: tag,
		Status:      http.StatusCreated,
		Unkeyed:     true, // a repeated one is another file
		Query:       []*huma.Param{{Name: "name", In: "query", Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Description: "what the file is called"}},
		Summary:     "Upload a file",
		Description: "The body is the content. What type it is, is decided by the content: text (CSV) or a workbook of Excel (xlsx). Send any Content-Type that a form cannot, like application/octet-stream.",
	}, http.HandlerFunc(a.createFile), map[string]*huma.Response{
		"201":     {Description: "the file", Content: map[string]*huma.MediaType{jsonType: {Schema: file}}},
		"413":     problemResponse("the file is too large, or there is no room for it"),
		"415":     problemResponse("the Content-Type is one that a form can send"),
		"422":     problemResponse("the name or the content is not valid"),
		"429":     problemResponse("too many uploads at a time"),
		"default": problemResponse("any other problem"),
	})
	register(a, Operation{
		ID: "getFile", Method: http.MethodGet, Path: "/tenants/{tenantId}/files/{id}", Access: InTenant, Permission: auth.FileRead, Tag: tag,
		Summary: "One file, without its content",
	}, a.getFile)
	register(a, Operation{
		ID: "deleteFile", Method: http.MethodDelete, Path: "/tenants/{tenantId}/files/{id}", Access: InTenant, Permission: auth.FileDelete, Tag: tag,
		Summary: "Delete a file that no datasource uses",
	}, a.deleteFile)
}

func (a *API) listFiles(ctx context.Context, in *listInput) (*output[page.Page[upload.File]], error) {
	return reply200(a.cfg.Files.Files(ctx, in.request()))
}

func (a *API) getFile(ctx context.Context, in *ObjectPath) (*output[upload.File], error) {
	return reply200(a.cfg.Files.File(ctx, in.ID))
}

func (a *API) deleteFile(ctx context.Context, in *ObjectPath) (*struct{}, error) {
	return nil, a.cfg.Files.Delete(ctx, in.ID)
}

// createFile reads the body as it comes. A sender that is too slow is cut off,
// where the server of the host lets itself be told so.
func (a *API) createFile(w http.ResponseWriter, r *http.Request) {
	if err := checkUpload(r); err != nil {
		a.fail(w, r, err)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(upload.MaxDuration))
	made, err := a.cfg.Files.Create(r.Context(), upload.NewFile{Name: r.URL.Query().Get("name"), Content: r.Body})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	text, err := json.Marshal(made)
	if err != nil {
		panic(err) // texts, a number and a time
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Location", a.at(r.PathValue(tenantParam), "files", made.ID))
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(text) // a caller that has gone cannot be told so
}

// checkUpload refuses what a form of another site could send without asking, and
// what is not the content itself.
func checkUpload(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || slices.Contains([]string{"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"}, media) {
		return refuse(http.StatusUnsupportedMediaType, "not_a_file", "the Content-Type must be that of a file, like application/octet-stream")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return refuse(http.StatusUnsupportedMediaType, "body_encoded", "the body must not be compressed")
	}
	var f problem.Faults
	for name := range r.URL.Query() {
		f.Check(name == "name", fault(name, "").Path, "is not a parameter of this operation")
	}
	return f.Err("request_invalid", "the request is not valid")
}
