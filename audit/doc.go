// Package audit keeps the record of every change: who did what to which object,
// when, and in which request.
//
// An event is written in the transaction of the change it tells of, so both are
// kept or neither. The events of a tenant form a hash chain: each carries the
// hash of the one before, and the head of the chain is kept beside it.
// [Log.Verify] walks the chain and names the first event at which the record was
// edited, reordered, cut in the middle or cut at its end.
//
// The chain shows tampering by whoever can change rows but does not rewrite
// everything after them and the head. Against somebody who owns the whole
// database, keep the head that Verify returns somewhere else from time to time.
//
// Events of no tenant (accounts, sign-in) have the tenant "" and a chain of
// their own.
package audit
