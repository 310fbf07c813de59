// Package rbac decides who may do what: roles of a tenant, made of permissions
// from one catalogue, and the question every service asks first,
// [Service.Authorize].
//
// # How a decision is made
//
// A user may do what one of his roles in the tenant allows, by its permissions or by
// a [Grant], unless a rule denies it: deny wins. On what he made he has some rights
// too, see [Service.Own]. An API key may do what its scopes and its creator's rights
// both allow. A service may do exactly what it was granted. Whoever is none of these,
// has no tenant, or asks for a permission that is not in the catalogue is
// refused.
//
// A rule about one object is about the object with exactly that id. Rules about
// a kind of object hold for the kind as a whole and for each of its objects. A rule
// about a workflow is also about its runs. Lists ask [Service.Visible].
//
// Whoever views as somebody else ([Service.ViewAs]) may look at what both may look at, and
// change nothing.
//
// Nobody gives what he does not hold. The Owners of a tenant cannot be kept from
// managing it, and may take every denial back.
//
// # How it is fast
//
// Casbin decides by those rules of one tenant that are about the roles of the caller
// and the object in question, so a decision does not depend on how many tenants,
// roles and grants there are. The rules of a tenant are loaded when first needed and
// kept in a bounded cache, with the decisions. A change made through this
// process holds for the next decision; the version of a tenant's policy is read
// again after half a second, so a change made by another process is seen within
// one.
package rbac
