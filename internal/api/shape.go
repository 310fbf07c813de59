package api

import "path"

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
