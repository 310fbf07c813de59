package s3

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/jetadmin/jetadmin/datasource"
)

const pageSize = 1000 // keys, the most that the protocol has

var listColumns = []datasource.Column{
	{Name: "key", Type: datasource.ColumnString}, {Name: "size", Type: datasource.ColumnInteger},
	{Name: "modified", Type: datasource.ColumnTimestamp}, {Name: "etag", Type: datasource.ColumnString},
}

// listing reads the keys of a bucket page by page.
type listing struct {
	ctx    context.Context
	client *s3.Client
	in     *s3.ListObjectsV2Input
	prefix string // of the datasource, which keys are shown without
	page   [][]any
	last   bool
}

func (c *conn) list(ctx context.Context, op *operation, prefix, after string, maxRows int) (datasource.Rows, error) {
	l := &listing{ctx: ctx, client: c.client, prefix: c.settings.String("prefix"), in: &s3.ListObjectsV2Input{
		Bucket: aws.String(c.settings.String("bucket")), Prefix: aws.String(prefix),
		MaxKeys: aws.Int32(int32(min(max(maxRows, 1)+1, pageSize))),
	}}
	if after != l.prefix {
		l.in.StartAfter = aws.String(after)
	}
	if op.delimiter != "" {
		l.in.Delimiter = aws.String(op.delimiter)
	}
	return l, l.fetch()
}

func (l *listing) Columns() []datasource.Column { return listColumns }
func (l *listing) Close() error                 { return nil }

func (l *listing) Next() ([]any, error) {
	for len(l.page) == 0 {
		if l.last {
			return nil, io.EOF
		}
		if err := l.fetch(); err != nil {
			return nil, err
		}
	}
	row := l.page[0]
	l.page = l.page[1:]
	return row, nil
}

// fetch reads a page. Objects and folders come apart, each in order.
func (l *listing) fetch() error {
	out, err := l.client.ListObjectsV2(l.ctx, l.in)
	if err != nil {
		return statementError(err)
	}
	l.page = make([][]any, 0, len(out.Contents)+len(out.CommonPrefixes))
	for _, o := range out.Contents {
		l.add(o.Key, o.Size, o.LastModified, o.ETag)
	}
	for _, p := range out.CommonPrefixes {
		l.add(p.Prefix, nil, nil, nil)
	}
	slices.SortFunc(l.page, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	next := aws.ToString(out.NextContinuationToken)
	l.last = !aws.ToBool(out.IsTruncated) || next == "" || next == aws.ToString(l.in.ContinuationToken)
	l.in.ContinuationToken = aws.String(next)
	return nil
}

// add takes a row over, unless the store sends what was not asked for.
func (l *listing) add(key *string, size *int64, modified *time.Time, etag *string) {
	short, below := strings.CutPrefix(aws.ToString(key), l.prefix)
	if !below || short == "" {
		return
	}
	row := []any{short, nil, nil, nil}
	if size != nil {
		row[1] = *size
	}
	if modified != nil {
		row[2] = modified.UTC()
	}
	if etag != nil {
		row[3] = strings.Trim(*etag, `"`)
	}
	l.page = append(l.page, row)
}
