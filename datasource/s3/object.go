package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of contents, in bytes.
const (
	maxContent = 5 << 20 // that a row holds
	maxTable   = 1 << 30 // that is read row by row
)

var objectColumns = []datasource.Column{
	{Name: "key", Type: datasource.ColumnString}, {Name: "type", Type: datasource.ColumnString}, {Name: "size", Type: datasource.ColumnInteger},
	{Name: "modified", Type: datasource.ColumnTimestamp}, {Name: "etag", Type: datasource.ColumnString},
}

func (c *conn) describe(key string, media *string, size *int64, modified *time.Time, etag *string) []any {
	row := []any{c.shown(key), nil, nil, nil, strings.Trim(aws.ToString(etag), `"`)}
	if media != nil {
		row[1] = *media
	}
	if size != nil {
		row[2] = *size
	}
	if modified != nil {
		row[3] = modified.UTC()
	}
	return row
}

// shown is a key as queries write it.
func (c *conn) shown(key string) string { return strings.TrimPrefix(key, c.settings.String("prefix")) }

// get reads an object: in one row with its content, or as the rows of a table.
func (c *conn) get(ctx context.Context, op *operation, key string, maxBytes int64) (datasource.Rows, error) {
	limit := min(maxContent, maxBytes/2) // base64 makes a third more of it
	if op.as == "csv" {
		limit = maxTable
	}
	out, err := c.client.GetObject(allow(ctx, limit), &s3.GetObjectInput{Bucket: aws.String(c.settings.String("bucket")), Key: aws.String(key)})
	if err != nil {
		return nil, statementError(err)
	}
	if aws.ToInt64(out.ContentLength) > limit {
		_ = out.Body.Close()
		return nil, tooLarge(limit)
	}
	if op.as == "csv" {
		return file.ReadCSV(ctx, out.Body, op.csv)
	}
	content, err := egress.ReadAll(out.Body, limit)
	_ = out.Body.Close()
	if problem.Of(err) != nil && problem.Of(err).Code == "response_too_large" {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, connectError(err)
	}
	v, kind, err := op.read(content)
	if err != nil {
		return nil, err
	}
	columns := append(objectColumns[:len(objectColumns):len(objectColumns)], datasource.Column{Name: "content", Type: kind})
	row := append(c.describe(key, out.ContentType, aws.Int64(int64(len(content))), out.LastModified, out.ETag), v)
	return datasource.BufferedRows(columns, [][]any{row}), nil
}

// read makes a value of a content.
func (o *operation) read(content []byte) (any, datasource.ColumnType, error) {
	switch o.as {
	case "base64":
		return content, datasource.ColumnBytes, nil
	case "json":
		if !json.Valid(content) {
			return nil, "", refused("the object is not valid JSON", "", nil)
		}
		return datasource.JSON(content), datasource.ColumnJSON, nil
	}
	if !utf8.Valid(content) {
		return nil, "", refused("the object is not a text in UTF-8: read it as base64", "", nil)
	}
	return string(content), datasource.ColumnString, nil
}

func (c *conn) head(ctx context.Context, key string) (datasource.Rows, error) {
	out, err := c.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(c.settings.String("bucket")), Key: aws.String(key)})
	if err != nil {
		return nil, statementError(err)
	}
	metadata, err := json.Marshal(out.Metadata)
	if err != nil {
		return nil, err
	}
	columns := append(objectColumns[:len(objectColumns):len(objectColumns)], datasource.Column{Name: "metadata", Type: datasource.ColumnJSON})
	row := append(c.describe(key, out.ContentType, out.ContentLength, out.LastModified, out.ETag), datasource.JSON(metadata))
	return datasource.BufferedRows(columns, [][]any{row}), nil
}

// body is the content to put.
func (o *operation) body(values template.Values, faults *problem.Faults) []byte {
	if o.content == nil {
		return nil
	}
	v := o.content.Expand(values, datasource.ParamText)
	place := "content"
	if names := o.content.Placeholders(); len(names) > 0 {
		place = "params." + names[0]
	}
	switch o.as {
	case "json":
		b, err := json.Marshal(v)
		faults.Check(err == nil, place, "must be JSON")
		return b
	case "base64":
		b, err := base64.StdEncoding.DecodeString(datasource.ParamText(v))
		faults.Check(err == nil, place, "must be base64")
		return b
	}
	_, list := v.([]any)
	faults.Check(!list, place, "must be one value here")
	return []byte(datasource.ParamText(v))
}

// media is the type of the content to put: one line of a header.
func (o *operation) media(values template.Values, faults *problem.Faults) string {
	media := fill(o.contentType, values, faults)
	faults.Check(!strings.ContainsFunc(media, func(r rune) bool { return unicode.IsControl(r) || r > unicode.MaxASCII }) && len(media) <= 200, place(o.contentType, "contentType"),
		"must be a media type")
	if media == "" {
		return map[string]string{"json": "application/json", "text": "text/plain; charset=utf-8"}[o.as]
	}
	return media
}

func (c *conn) put(ctx context.Context, key string, content []byte, media string) (datasource.Rows, error) {
	in := &s3.PutObjectInput{Bucket: aws.String(c.settings.String("bucket")), Key: aws.String(key), Body: bytes.NewReader(content)}
	if media != "" {
		in.ContentType = aws.String(media)
	}
	out, err := c.client.PutObject(ctx, in)
	if err != nil {
		return nil, statementError(err)
	}
	columns := []datasource.Column{{Name: "key", Type: datasource.ColumnString}, {Name: "etag", Type: datasource.ColumnString}}
	return datasource.ExecRows(columns, [][]any{{c.shown(key), strings.Trim(aws.ToString(out.ETag), `"`)}}, 1), nil
}

func (c *conn) delete(ctx context.Context, key string) (datasource.Rows, error) {
	_, err := c.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(c.settings.String("bucket")), Key: aws.String(key)})
	if err != nil {
		return nil, statementError(err)
	}
	return datasource.BufferedRows(nil, nil), nil // the protocol does not say whether there was one
}

func (c *conn) presign(ctx context.Context, op *operation, key string) (datasource.Rows, error) {
	expires := time.Duration(op.expires) * time.Second
	until := time.Now().Add(expires).UTC().Truncate(time.Second)
	bucket := aws.String(c.settings.String("bucket"))
	var url string
	var err error
	if op.method == "PUT" {
		url, err = signed(c.presigner.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key)}, s3.WithPresignExpires(expires)))
	} else {
		url, err = signed(c.presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(key)}, s3.WithPresignExpires(expires)))
	}
	if err != nil {
		return nil, connectError(err)
	}
	columns := []datasource.Column{{Name: "url", Type: datasource.ColumnString}, {Name: "method", Type: datasource.ColumnString}, {Name: "expires", Type: datasource.ColumnTimestamp}}
	return datasource.BufferedRows(columns, [][]any{{url, op.method, until}}), nil
}
