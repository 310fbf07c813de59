package datasource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// CSV is a [RowWriter] that writes RFC 4180 in UTF-8, with the names of the
// columns as its first line and CRLF at the end of each. It makes one call of
// Write for each line.
//
// A missing value (NULL) is an empty cell and an empty text is "", as PostgreSQL
// has it. Numbers have all their digits; times are RFC 3339 in UTC, bytes base64,
// lists and documents JSON. A text that a spreadsheet would take for a formula
// (one that begins with = + - @, behind white space or not, or with a tab or a line
// break, and is no number) has an apostrophe in front.
type CSV struct {
	to   io.Writer
	line []byte
}

// NewCSV writes to w.
func NewCSV(w io.Writer) *CSV { return &CSV{to: w} }

// Begin writes the names of the columns.
func (c *CSV) Begin(columns []Column) error {
	c.line = c.line[:0]
	for i, column := range columns {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		c.line = appendCell(c.line, column.Name)
	}
	return c.end()
}

// Row writes one line.
func (c *CSV) Row(values []any) error {
	c.line = c.line[:0]
	for i, v := range values {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		c.line = appendCSV(c.line, v)
	}
	return c.end()
}

func (c *CSV) end() error {
	c.line = append(c.line, '\r', '\n')
	_, err := c.to.Write(c.line)
	return err
}

func appendCSV(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return b
	case string:
		return appendCell(b, v)
	case Decimal:
		if plainNumeral(string(v)) {
			return append(b, v...)
		}
		return appendCell(b, string(v))
	case Date:
		return appendCell(b, string(v))
	case JSON:
		return appendCell(b, string(v))
	case time.Time:
		return v.UTC().AppendFormat(b, time.RFC3339Nano)
	case []byte:
		return appendCell(b, base64.StdEncoding.EncodeToString(v))
	case []any, map[string]any:
		return appendCell(b, documentText(v))
	}
	return appendNumber(b, v)
}

// documentText is a list or an object as JSON on one line.
func documentText(v any) string {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if e.Encode(plainValue(v)) != nil {
		return ""
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// appendCell writes a text, in quotes where it has to be.
func appendCell(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if formula(s) {
		s = "'" + s
	}
	if s != "" && !strings.ContainsAny(s, "\",;\t\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		return append(b, s...)
	}
	b = append(b, '"')
	for {
		before, after, found := strings.Cut(s, `"`)
		b = append(b, before...)
		if !found {
			return append(b, '"')
		}
		b, s = append(b, '"', '"'), after
	}
}

// formula reports whether a spreadsheet may execute a text: some do not mind white
// space in front. The wide forms are those that East Asian ones read as the narrow
// ones.
func formula(s string) bool {
	if s != "" && strings.IndexByte("\t\r\n", s[0]) >= 0 {
		return true
	}
	s = strings.TrimLeftFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
	first, _ := utf8.DecodeRuneInString(s)
	switch first {
	case '=', '+', '-', '@':
		return !plainNumeral(s)
	case '＝', '＋', '－', '＠':
		return true
	}
	return false
}

// plainNumeral reports whether s is a number and nothing else: -12.5, 1e10.
func plainNumeral(s string) bool {
	return len(s) > 0 && len(s) <= 1000 && strings.Trim(s, "0123456789.eE+-") == "" && json.Valid([]byte(s))
}
