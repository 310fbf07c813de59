// Package tenancy keeps the tenants of an App, their members, and which roles a
// member has.
//
// A tenant is the border of everything: its objects are seen by its members
// alone. Whoever makes one becomes its Owner. From then on a tenant always has
// an Owner, and nobody gives, takes or touches rights that exceed his own: an
// Admin can neither make an Owner nor remove one.
//
// People come in by an invitation, or are let in by somebody who knows their
// account. A host may suspend a tenant: then nothing happens in it.
//
// The roles of a member are read with each request, so a change holds at once.
// What a role gives is not known here: package rbac says it, through [Roles].
package tenancy
