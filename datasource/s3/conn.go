package s3

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// conn is a bucket.
type conn struct {
	settings  datasource.Settings
	transport *egress.Transport
	client    *s3.Client
	presigner *s3.PresignClient
	closed    atomic.Bool
}

// Ping lists one key. An account that may do other things than that is good, too.
func (c *conn) Ping(ctx context.Context) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	_, err := c.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: aws.String(c.settings.String("bucket")), Prefix: aws.String(c.settings.String("prefix")), MaxKeys: aws.Int32(1),
	})
	if codeOf(err) == "AccessDenied" {
		return nil
	}
	return connectError(err)
}

func (c *conn) Close() error {
	c.closed.Store(true)
	c.transport.CloseIdleConnections()
	return nil
}

// Query does what only reads.
func (c *conn) Query(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	if s.Operation.(*operation).Writes() {
		return nil, datasource.NotWriting("the operation writes, but the query is not marked as writing", "", nil)
	}
	return c.run(ctx, s)
}

// Exec does anything.
func (c *conn) Exec(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	r, err := c.run(ctx, s)
	if err != nil || s.Operation.(*operation).Writes() {
		return r, err
	}
	defer r.Close()
	kept, err := datasource.Buffer(r, s)
	if err != nil {
		return nil, err
	}
	return datasource.BufferedRows(r.Columns(), kept), nil
}

func (c *conn) run(ctx context.Context, s datasource.Statement) (datasource.Rows, error) {
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	op := s.Operation.(*operation)
	values := func(name string) any { return s.Params[name] }
	var faults problem.Faults
	if op.name == opList {
		prefix, after := c.listed(op.prefix, "prefix", values, &faults), c.listed(op.after, "after", values, &faults)
		if err := faults.Err("params_invalid", "the parameters are not valid"); err != nil {
			return nil, err
		}
		return c.list(ctx, op, prefix, after, s.MaxRows)
	}
	key := c.key(op.key, values, &faults)
	content := op.body(values, &faults)
	media := op.media(values, &faults)
	if err := faults.Err("params_invalid", "the parameters are not valid"); err != nil {
		return nil, err
	}
	switch op.name {
	case opGet:
		return c.get(ctx, op, key, s.MaxBytes)
	case opHead:
		return c.head(ctx, key)
	case opPut:
		return c.put(ctx, key, content, media)
	case opDelete:
		return c.delete(ctx, key)
	}
	return c.presign(ctx, op, key)
}
