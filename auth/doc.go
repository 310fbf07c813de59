// Package auth answers who makes a call.
//
// Its vocabulary ([Principal], [Permission], [Authorize]) is what every other
// package speaks. Its [Service] turns a credential into a principal: an API
// key, a session, or whatever a host's own [Authenticator] recognises, in that
// order. What the principal may do is the business of package rbac, and of
// which tenants he is a member that of package tenancy; both are asked through
// [Config].
//
// An account is the pair of issuer and subject. A local one, which signs in
// with a password, has the issuer [LocalIssuer] and its normalised e-mail
// address as the subject. An account of another system is made when it is first
// seen, and never joined to another one because the e-mail addresses are equal.
//
// What grants access is kept as a hash: passwords with argon2id, and tokens,
// which are 260 random bits, with SHA-256. A token is shown once.
package auth
