// Package upload keeps the files that people of a tenant give to the server, for
// datasources to read.
//
// What a file is, is decided by what is in it, not by its name or by what its
// sender says. The content goes to a [BlobStore], by default the platform's own
// database, in pieces; it is never a path, and nothing here serves it back.
package upload
