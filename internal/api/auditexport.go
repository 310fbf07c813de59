package api

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jetadmin/jetadmin/audit"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// auditQuery describes the query string of an export.
func auditQuery() []*huma.Param {
	param := func(name, doc string, schema *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: schema}
	}
	moment := &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	word := &huma.Schema{Type: huma.TypeString}
	return []*huma.Param{
		param("format", "how the events are written", &huma.Schema{Type: huma.TypeString, Enum: []any{"ndjson", "csv"}, Default: "ndjson"}),
		param("action", "e.g. query.update", word), param("actor", "e.g. user:<id>", word),
		param("objectType", "e.g. query", word), param("objectId", "", word),
		param("from", "the first moment", moment), param("until", "the first moment that is too late", moment),
	}
}

// exportInput reads the query string of an export. Names are given once, see
// [API.admit].
func exportInput(query url.Values) (mediaType string, filter audit.Filter, err error) {
	var f problem.Faults
	for name := range query {
		known := slices.ContainsFunc(auditQuery(), func(p *huma.Param) bool { return p.Name == name })
		f.Check(known, "query."+name, "is not a parameter of this operation")
	}
	moment := func(name string) (at time.Time) {
		if text := query.Get(name); text != "" {
			var err error
			at, err = time.Parse(time.RFC3339, text)
			f.Check(err == nil, "query."+name, "is not a time like 2026-01-31T12:00:00Z")
		}
		return at
	}
	word := func(name string) string {
		f.Check(len(query.Get(name)) <= 200, "query."+name, "is too long")
		return query.Get(name)
	}
	switch query.Get("format") {
	case "", "ndjson":
		mediaType = ndjsonType
	case "csv":
		mediaType = csvType
	default:
		f.Add("query.format", "must be ndjson or csv")
	}
	filter = audit.Filter{
		Action: word("action"), Actor: word("actor"), ObjectType: word("objectType"), ObjectID: word("objectId"),
		From: moment("from"), Until: moment("until"),
	}
	if len(f.List()) > 0 {
		return "", filter, invalid(f.List())
	}
	return mediaType, filter, nil
}

// exportAudit writes events as they are read.
func (a *API) exportAudit(w http.ResponseWriter, r *http.Request) {
	mediaType, filter, err := exportInput(r.URL.Query())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.stream(w, r, mediaType, func(to *outlet) error {
		events := &auditOutlet{outlet: to}
		err := a.cfg.Audit.Export(r.Context(), filter, events.write)
		if err == nil {
			events.end()
		}
		return err
	})
}

// auditOutlet writes events: each as an object on a line of NDJSON, or as a row of
// CSV.
type auditOutlet struct {
	*outlet
	events int64
}

func auditColumns() []datasource.Column {
	var columns []datasource.Column
	for _, name := range []string{"seq", "time", "actor", "onBehalfOf", "action", "objectType", "objectId", "requestId", "detail", "hash"} {
		columns = append(columns, datasource.Column{Name: name})
	}
	return columns
}

func (o *auditOutlet) begin() error {
	if o.begun {
		return nil
	}
	o.announce("audit.csv")
	if o.mediaType == csvType {
		return o.RowWriter.Begin(auditColumns())
	}
	return nil
}

func (o *auditOutlet) write(e audit.Event) error {
	if err := o.begin(); err != nil {
		return err
	}
	o.events++
	if o.mediaType == ndjsonType {
		return o.line(e)
	}
	return o.Row([]any{
		e.Seq, e.Time, e.Actor, e.OnBehalfOf, e.Action, e.ObjectType, e.ObjectID, e.RequestID, string(e.Detail), e.Hash,
	})
}

// end tells that the export is whole.
func (o *auditOutlet) end() {
	if o.begin() != nil {
		panic(http.ErrAbortHandler)
	}
	o.finish(o.events, false)
}
