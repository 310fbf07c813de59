package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// Response is what a run answers to whoever started it and waits: an HTTP
// response. A node gives it in its [Result]; the first of a run counts.
type Response struct {
	Status  int               // 200 to 599
	Headers map[string]string // see [ResponseHeader]
	Body    []byte
}

const maxResponseHeaders = 50

// responseHeaders are the ones that say something about the body. Others (Set-Cookie,
// Access-Control-…) would speak for the host's own origin.
var responseHeaders = []string{
	"Allow", "Cache-Control", "Content-Disposition", "Content-Language", "Content-Type", "Etag", "Expires",
	"Last-Modified", "Link", "Location", "Retry-After", "Vary",
}

// A proxy in front of the host takes these as orders: to send a file of its own,
// say.
var proxyHeaders = regexp.MustCompile(`^X-(Accel-.*|Sendfile.*|Lighttpd-.*|Litespeed-.*|Reproxy-.*)$`)

var ownHeader = regexp.MustCompile(`^X-[A-Za-z0-9-]+$`)

// ResponseHeader reports whether a run may set a header of its response: those
// that describe the body, and any that begins with X- and is no order to a proxy.
func ResponseHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return slices.Contains(responseHeaders, name) || ownHeader.MatchString(name) && !proxyHeaders.MatchString(name)
}

func (r *Response) check() error {
	if r == nil {
		return nil
	}
	var f problem.Faults
	f.Check(r.Status >= 200 && r.Status <= 599, "status", "must be between 200 and 599")
	f.Check(len(r.Headers) <= maxResponseHeaders, "headers", fmt.Sprintf("must not be more than %d", maxResponseHeaders))
	f.Check(len(r.Body) <= MaxOutput, "body", fmt.Sprintf("must not be larger than %d bytes", MaxOutput))
	for name, value := range r.Headers {
		f.Check(ResponseHeader(name), "headers."+name, "is not a header that a run may set")
		f.Check(!strings.ContainsAny(value, "\r\n\x00"), "headers."+name, "must not hold a line break")
	}
	return f.Err("response_invalid", "the response is not valid")
}

type responseRow struct {
	bun.BaseModel `bun:"table:?schema.jet_run_response,alias:p"`

	RunID     string `bun:",pk"`
	TenantID  string
	Status    int
	Headers   string
	Body      []byte
	CreatedAt time.Time
}

// saveResponses keeps the responses of nodes, with their results, unless their
// runs have one already.
func (s *settlement) saveResponses(ctx context.Context) error {
	for _, t := range s.batch {
		for _, st := range t.steps[:t.applied] {
			if err := s.saveResponse(ctx, &t.claim.node, st.outcome.response); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *settlement) saveResponse(ctx context.Context, n *nodeRow, r *Response) error {
	if r == nil {
		return nil
	}
	row := responseRow{RunID: n.RunID, TenantID: n.TenantID, Status: r.Status, Headers: encode(r.Headers), Body: r.Body, CreatedAt: s.now}
	if row.Body == nil {
		row.Body = []byte{}
	}
	_, err := s.tx.NewInsert().Model(&row).On("CONFLICT DO NOTHING").Exec(ctx)
	return err
}

// Response is what a run has answered so far; false = nothing yet. It needs
// run.read. Any process can ask, as soon as the node that answered is done; the
// run may still go on.
func (s *Service) Response(ctx context.Context, runID string) (Response, bool, error) {
	who, err := s.cfg.Authorize(ctx, auth.RunRead, runID)
	if err != nil {
		return Response{}, false, err
	}
	var row responseRow
	err = s.cfg.DB.NewSelect().Model(&row).Where("tenant_id = ?", who.TenantID).Where("run_id = ?", runID).Scan(ctx)
	if store.IsMissing(err) {
		_, err := readRun(ctx, s.cfg.DB.DB, who.TenantID, runID, nil)
		return Response{}, false, err
	}
	if err != nil {
		return Response{}, false, err
	}
	r := Response{Status: row.Status, Body: row.Body}
	return r, true, json.Unmarshal([]byte(row.Headers), &r.Headers)
}
