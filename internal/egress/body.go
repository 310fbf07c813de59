package egress

import (
	"io"

	"github.com/jetadmin/jetadmin/problem"
)

// ReadAll reads a body of at most limit bytes, counted after decompression. A
// longer one is an Upstream error with the code "response_too_large"; what was
// read until then is returned with it.
func ReadAll(body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(b)) > limit {
		return b[:limit], problem.Newf(problem.Upstream, "response_too_large", "the reply is larger than %d bytes", limit)
	}
	return b, err
}
