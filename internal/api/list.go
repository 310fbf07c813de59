package api

import "github.com/jetadmin/jetadmin/internal/page"

// PageInput is the part of an input that says which page of a list is wanted.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"how many items at most"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"nextCursor of the page before; without it, the first page"`
}

func (p PageInput) request() page.Request { return page.Request{Limit: p.Limit, Cursor: p.Cursor} }

// listInput is the input of a list without filters.
type listInput struct {
	TenantPath
	PageInput
}
