package s3

import (
	"context"
	"io"
	"net/http"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// maxReply bounds what the library reads by itself: errors, and lists, which have
// up to 1000 keys of 1024 bytes each.
const maxReply = 4 << 20

// bounded is a transport whose replies have an end.
type bounded struct{ *egress.Transport }

type limitKey struct{}

// allow lets a successful reply be as large as limit, and one byte more, so that
// its reader notices.
func allow(ctx context.Context, limit int64) context.Context {
	return context.WithValue(ctx, limitKey{}, limit+1)
}

// RoundTrip sends one request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	limit, ok := r.Context().Value(limitKey{}).(int64)
	if !ok || reply.StatusCode >= http.StatusMultipleChoices {
		limit = maxReply
	}
	reply.Body = &capped{reply.Body, limit}
	return reply, nil
}

type capped struct {
	io.ReadCloser
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, problem.New(problem.Upstream, "response_too_large", "the reply of the store is too large")
	}
	return n, err
}

// signed is the URL of a presigned request.
func signed(r *v4.PresignedHTTPRequest, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return r.URL, nil
}
