package upload

import (
	"context"
	"io"
)

// BlobStore keeps the content of files by tenant and id. It is safe for
// concurrent use, by several processes at once.
type BlobStore interface {
	// Put keeps what content gives until io.EOF. After an error there is nothing
	// under the id, or something that [BlobStore.Delete] removes.
	Put(ctx context.Context, tenantID, id string, content io.Reader) error

	// Open gives a blob to read. One that is not there is NotFound.
	Open(ctx context.Context, tenantID, id string) (Blob, error)

	// Delete removes a blob; one that is not there is no error.
	Delete(ctx context.Context, tenantID, id string) error
}

// Blob is the content of a file. It never changes. Reads end with the context
// that it was opened with; it is safe for concurrent use.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
