// Package rbac decides who may do what: roles of a tenant, made of permissions
// from one catalogue, and the question every service asks first,
// [Service.Authorize].
//
// # How a decision is made
//
// A user may do what one of his roles in the tenant allows, unless a rule denies
// it: deny wins. An API key may do what its scopes and its creator's roles both
// allow. A service may do exactly what it was granted. Whoever is none of these,
// has no tenant, or asks for a permission that is not in the catalogue is
// refused.
//
// A rule about one object is about the object with exactly that id. Rules about
// a kind of object hold for the kind as a whole and for each of its objects.
//
// # How it is fast
//
// Each tenant has a small Casbin enforcer of its own, so a decision does not
// depend on how many tenants there are. Enforcers are loaded when first needed
// and kept in a bounded cache, with their decisions. A change made through this
// process holds for the next decision; the version of a tenant's policy is read
// again after half a second, so a change made by another process is seen within
// one.
package rbac
