package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// hookRoutes are where deliveries of webhooks come in. They are public: a delivery
// proves itself, by a signature or a secret of the webhook, unless the webhook was
// made to need no proof.
func (a *API) hookRoutes() {
	acknowledgement := a.document.Components.Schemas.Schema(reflect.TypeFor[Acknowledgement](), true, "")
	content := map[string]*huma.MediaType{jsonType: {Schema: acknowledgement}}
	responses := map[string]*huma.Response{
		"202":     {Description: "the run is stored", Content: content},
		"200":     {Description: "of a webhook that waits: the run has ended. What a `respond` node answers comes as it says, with its own status", Content: content},
		"401":     problemResponse("the delivery does not prove where it comes from"),
		"404":     problemResponse("there is no such webhook, or it is disabled"),
		"429":     problemResponse("too many deliveries"),
		"default": problemResponse("any other problem"),
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		id := "deliver"
		if method == http.MethodPut {
			id = "deliverByPut"
		}
		a.registerRaw(Operation{
			ID: id, Method: method, Path: "/hooks/{id}", Root: true, Access: Public, Tag: "webhooks", Unkeyed: true,
			Summary:     "Deliver to a webhook",
			Description: "The body may be JSON, a form, text or bytes, of at most 1 MiB. The mode of the webhook says how it proves where it comes from.",
			Example:     map[string]any{"order": "A-1"},
		}, http.HandlerFunc(a.deliver), responses)
	}
}

func (a *API) deliver(w http.ResponseWriter, r *http.Request) {
	body, err := readDelivery(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	receipt, err := a.cfg.Workflows.Deliver(r.Context(), r.PathValue("id"), workflow.Delivery{
		Method: r.Method, Header: r.Header, Query: r.URL.Query(), Body: body,
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if receipt.Response != nil {
		relay(w, receipt.Response)
		return
	}
	acknowledge(w, receipt)
}

// relay sends what a run has answered. It speaks for the workflow, not for the
// host: a browser that shows it runs nothing of it.
func relay(w http.ResponseWriter, answer *workflow.Response) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	for name, value := range answer.Headers {
		if name = http.CanonicalHeaderKey(name); h.Get(name) == "" || name == "Cache-Control" {
			h.Set(name, value)
		}
	}
	if answer.Status == http.StatusNoContent || answer.Status == http.StatusNotModified {
		w.WriteHeader(answer.Status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(answer.Body)))
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // a sender that has gone cannot be told so
}

// readDelivery reads a body as it was signed: byte by byte, and not unpacked.
func readDelivery(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, workflow.MaxWebhookBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, problem.Newf(problem.TooLarge, "body_too_large", "the body is larger than %d bytes", workflow.MaxWebhookBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "body_unreadable", "the body could not be read")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, refuse(http.StatusUnsupportedMediaType, "body_encoded", "the body must not be compressed")
	}
	return body, nil
}

// Acknowledgement is the reply to a delivery.
type Acknowledgement struct {
	RunID     string             `json:"runId"`
	Duplicate bool               `json:"duplicate,omitempty" doc:"the same delivery has started the run before"`
	Status    workflow.RunStatus `json:"status,omitempty" doc:"of a webhook that waits, once the run has ended"`
	Output    any                `json:"output,omitempty" doc:"the same"`
}

func acknowledge(w http.ResponseWriter, receipt workflow.Receipt) {
	status, reply := http.StatusAccepted, Acknowledgement{RunID: receipt.Run.ID, Duplicate: receipt.Duplicate}
	if receipt.Ended {
		status, reply.Status, reply.Output = http.StatusOK, receipt.Run.Status, receipt.Output
	}
	text, err := json.Marshal(reply)
	if err != nil {
		panic(err) // ids, and an output that was read from JSON
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a sender that has gone cannot be told so
}
