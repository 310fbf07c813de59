package s3

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/file"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// The operations.
const (
	opList    = "list"
	opGet     = "get"
	opHead    = "head"
	opPut     = "put"
	opDelete  = "delete"
	opPresign = "presign"
)

// The bounds of a presigned URL, in seconds.
const (
	defaultExpiry = 300
	maxExpiry     = 3600
)

const operationSchema = `{
	"type": "object",
	"properties": {
		"operation": {"type": "string", "enum": ["list", "get", "head", "put", "delete", "presign"], "description": "put, delete and a presigned PUT need a query that is marked as writing."},
		"key": {"type": "string", "description": "Of all but list: below the prefix of the datasource. {{ name }} fills a part of it."},
		"prefix": {"type": "string", "description": "Of list: what the keys begin with, below the prefix of the datasource."},
		"after": {"type": "string", "description": "Of list: the key behind which to go on."},
		"delimiter": {"type": "string", "enum": ["", "/"], "description": "Of list: with / what is below a folder is one row."},
		"as": {"type": "string", "enum": ["text", "json", "csv", "base64"], "default": "text", "description": "Of get and put: what the content is. csv is for get alone: it gives the rows of the table."},
		"csv": {"type": "object", "description": "How a table is written.", "properties": {
			"encoding": {"type": "string"}, "delimiter": {"type": "string", "enum": ["auto", "comma", "semicolon", "tab", "pipe"]},
			"decimal": {"type": "string", "enum": [".", ","]}, "header": {"type": "boolean", "default": true}
		}, "additionalProperties": false},
		"content": {"description": "Of put: a text, or with json any document; {{ name }} takes a value."},
		"contentType": {"type": "string", "description": "Of put."},
		"method": {"type": "string", "enum": ["GET", "PUT"], "default": "GET", "description": "Of presign."},
		"expires": {"type": "integer", "minimum": 1, "maximum": 3600, "default": 300, "description": "Of presign: seconds. Whoever has the URL may use it until then."}
	},
	"required": ["operation"],
	"additionalProperties": false
}`

type request struct {
	Operation   string     `json:"operation"`
	Key         *string    `json:"key"`
	Prefix      *string    `json:"prefix"`
	After       *string    `json:"after"`
	Delimiter   *string    `json:"delimiter"`
	As          *string    `json:"as"`
	CSV         *csvFormat `json:"csv"`
	Content     any        `json:"content"`
	ContentType *string    `json:"contentType"`
	Method      *string    `json:"method"`
	Expires     *int64     `json:"expires"`
}

type csvFormat struct {
	Encoding  string `json:"encoding"`
	Delimiter string `json:"delimiter"`
	Decimal   string `json:"decimal"`
	Header    *bool  `json:"header"`
}

// operation is one request with holes.
type operation struct {
	name                            string
	key, prefix, after, contentType template.Text
	delimiter, as, method           string
	csv                             file.CSVOptions
	content                         *template.JSON
	expires                         int64
}

// fields are what an operation may say, and what it must.
var fields = map[string]struct{ may, must []string }{
	opList:    {may: []string{"prefix", "after", "delimiter"}},
	opGet:     {may: []string{"as", "csv"}, must: []string{"key"}},
	opHead:    {must: []string{"key"}},
	opPut:     {may: []string{"as", "contentType"}, must: []string{"key", "content"}},
	opDelete:  {must: []string{"key"}},
	opPresign: {may: []string{"method", "expires"}, must: []string{"key"}},
}

func (connector) Parse(raw json.RawMessage) (datasource.Operation, error) {
	var in request
	if err := template.Strict(raw, &in); err != nil {
		return nil, err
	}
	var faults problem.Faults
	in.checkFields(&faults)
	op := &operation{name: in.Operation, delimiter: value(in.Delimiter), as: or(in.As, "text"), method: or(in.Method, "GET"), expires: defaultExpiry}
	texts := map[string]struct {
		from *string
		to   *template.Text
	}{"key": {in.Key, &op.key}, "prefix": {in.Prefix, &op.prefix}, "after": {in.After, &op.after}, "contentType": {in.ContentType, &op.contentType}}
	for path, t := range texts {
		text, err := template.ParseText(value(t.from), path)
		faults.Merge("", err)
		*t.to = text
	}
	faults.Check(in.Key == nil || *in.Key != "", "key", "must not be empty")
	faults.Check(!strings.ContainsFunc(value(in.ContentType), unicode.IsControl), "contentType", "must not hold line breaks and control characters")
	faults.Check(op.delimiter == "" || op.delimiter == "/", "delimiter", "must be / or empty")
	formats := []string{"text", "json", "base64"}
	if in.Operation == opGet {
		formats = append(formats, "csv")
	}
	faults.Check(slices.Contains(formats, op.as), "as", "must be one of "+strings.Join(formats, ", "))
	faults.Check(op.method == "GET" || op.method == "PUT", "method", "must be GET or PUT")
	if in.Expires != nil {
		op.expires = *in.Expires
		faults.Check(op.expires > 0 && op.expires <= maxExpiry, "expires", "must be between 1 and 3600")
	}
	op.parseCSV(in.CSV, &faults)
	if in.Content != nil {
		var err error
		op.content, err = template.ParseJSON(in.Content, "content")
		faults.Merge("", err)
		_, text := in.Content.(string)
		faults.Check(text || op.as == "json", "content", "must be a text unless it is sent as json")
	}
	if err := faults.Err("operation_invalid", "the operation is not valid"); err != nil {
		return nil, err
	}
	return op, nil
}

func (r request) checkFields(faults *problem.Faults) {
	allowed, known := fields[r.Operation]
	if !known {
		faults.Add("operation", "must be list, get, head, put, delete or presign")
		return
	}
	given := map[string]bool{
		"key": r.Key != nil, "prefix": r.Prefix != nil, "after": r.After != nil, "delimiter": r.Delimiter != nil, "as": r.As != nil, "csv": r.CSV != nil,
		"content": r.Content != nil, "contentType": r.ContentType != nil, "method": r.Method != nil, "expires": r.Expires != nil,
	}
	for name := range given {
		must := slices.Contains(allowed.must, name)
		faults.Check(given[name] || !must, name, "is required for this operation")
		faults.Check(!given[name] || must || slices.Contains(allowed.may, name), name, "has no meaning for this operation")
	}
}

func (o *operation) parseCSV(f *csvFormat, faults *problem.Faults) {
	o.csv = file.CSVOptions{Header: true}
	if f == nil {
		return
	}
	faults.Check(o.as == "csv", "csv", "has no meaning unless the content is read as csv")
	o.csv = file.CSVOptions{Encoding: f.Encoding, Delimiter: f.Delimiter, Decimal: f.Decimal, Header: f.Header == nil || *f.Header}
	faults.Merge("csv", o.csv.Validate())
}

func value(s *string) string { return or(s, "") }

func or(s *string, fallback string) string {
	if s == nil {
		return fallback
	}
	return *s
}

// Writes reports whether the operation changes something, or lets somebody.
func (o *operation) Writes() bool {
	return o.name == opPut || o.name == opDelete || o.name == opPresign && o.method == "PUT"
}

// Passes reports whether the answer expires: a result that was kept could hold a
// URL that is no good any more.
func (o *operation) Passes() bool { return o.name == opPresign }

// Placeholders lists the parameters of the operation.
func (o *operation) Placeholders() []string {
	all := slices.Concat(o.key.Placeholders(), o.prefix.Placeholders(), o.after.Placeholders(), o.contentType.Placeholders())
	if o.content != nil {
		all = append(all, o.content.Placeholders()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
