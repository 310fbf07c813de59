package api

import (
	"path"
	"strconv"
)

// The inputs and outputs that most operations share. huma finds the fields of
// an embedded struct only when its type is exported.

// TenantPath is the tenant of a route. [API.identify] has entered it before the
// handler runs, so that no handler reads it.
type TenantPath struct {
	TenantID string `path:"tenantId" doc:"the tenant"`
}

// ObjectPath is the object of a route.
type ObjectPath struct {
	TenantPath
	ID string `path:"id" doc:"the object"`
}

// NumberPath is a version of the object of a route.
type NumberPath struct {
	ObjectPath
	Number string `path:"number" doc:"1, 2, 3, …"`
}

// number is 0, which no version has, for what is not a number as we write it.
func (p NumberPath) number() int {
	n, err := strconv.Atoi(p.Number)
	if err != nil || strconv.Itoa(n) != p.Number {
		return 0
	}
	return n
}

// deletion is the input of an operation that removes an object with a version.
type deletion struct {
	ObjectPath
	VersionInput
}

// output is a reply with a body.
type output[T any] struct{ Body T }

func reply200[T any](body T, err error) (*output[T], error) { return &output[T]{Body: body}, err }

// versioned is a reply with an object that has a version.
type versioned[T any] struct {
	ETag string `header:"ETag" doc:"the version of the object, for If-Match"`
	Body T
}

// created is the reply to a creation.
type created[T any] struct {
	Location string `header:"Location" doc:"where the new object is"`
	Body     T
}

// createdVersion is the reply to the creation of an object that has a version.
type createdVersion[T any] struct {
	Location string `header:"Location" doc:"where the new object is"`
	ETag     string `header:"ETag" doc:"the version of the object, for If-Match"`
	Body     T
}

// at is the URL path of an object of a tenant.
func (a *API) at(tenantID string, segments ...string) string {
	return a.cfg.BasePath + apiPrefix + path.Join(append([]string{"/tenants", tenantID}, segments...)...)
}
