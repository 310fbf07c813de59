package xlsx

import (
	"encoding/xml"
	"errors"
	"io"
)

// part is an XML document in the archive, read token by token.
type part struct {
	source *source
	body   io.ReadCloser
	xml    *xml.Decoder
	total  int64 // bytes that may still come in all
	some   int64 // and until the next call of renew
	depth  int
}

func newPart(s *source, body io.ReadCloser, limit int64) *part {
	p := &part{source: s, body: body, total: limit, some: maxElement}
	p.xml = xml.NewDecoder(p)
	return p
}

var (
	errTotal   = &Error{Message: "a part of the workbook is too large"}
	errElement = &Error{Message: "a cell of the workbook is too large"}
	errDepth   = &Error{Message: "the workbook is nested too deeply"}
)

// Read implements io.Reader for the decoder. A part unpacks to far more than is
// read of the file, so the context is looked at here, too.
func (p *part) Read(b []byte) (int, error) {
	if err := p.source.ctx.Err(); err != nil {
		p.source.err = err
		return 0, err
	}
	n, err := p.body.Read(b)
	p.total -= int64(n)
	p.some -= int64(n)
	switch {
	case p.total < 0:
		return 0, errTotal
	case p.some < 0:
		return 0, errElement
	}
	return n, err
}

// renew lets the next element be as large as the one before could be.
func (p *part) renew() { p.some = maxElement }

// next is the next start, end or text; nil at the end of the document.
func (p *part) next() (xml.Token, error) {
	for {
		token, err := p.xml.Token()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, p.source.fault("a part of the workbook is not sound", err)
		}
		switch token.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return nil, errDepth
			}
			return token, nil
		case xml.EndElement:
			p.depth--
			return token, nil
		case xml.CharData:
			return token, nil
		}
	}
}

// start is the next start of an element of one of the names, or nil.
func (p *part) start(names ...string) (*xml.StartElement, error) {
	for {
		token, err := p.next()
		if token == nil || err != nil {
			return nil, err
		}
		if s, ok := token.(xml.StartElement); ok {
			for _, name := range names {
				if s.Name.Local == name {
					return &s, nil
				}
			}
		}
	}
}

// end reads what is left, so that the sum of the whole is checked, and is io.EOF
// when it is right.
func (p *part) end() error {
	p.some = p.total
	if _, err := io.Copy(io.Discard, p); err != nil {
		return p.source.fault("a part of the workbook is not sound", err)
	}
	return io.EOF
}

func (p *part) Close() error { return p.body.Close() }

// attribute is the value of an attribute by its local name.
func attribute(s *xml.StartElement, name string) string {
	for _, a := range s.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// readText appends the text of an element that began, without that of elements of
// other names than t and r (the runs of a rich text).
func (p *part) readText(into []byte) ([]byte, error) {
	base, open, skip := p.depth, 0, 0
	for {
		token, err := p.next()
		if err != nil {
			return into, err
		}
		switch token := token.(type) {
		case nil:
			return into, p.source.fault("a part of the workbook is not sound", errors.New("it ends within a text"))
		case xml.StartElement:
			switch {
			case skip > 0 || token.Name.Local != "t" && token.Name.Local != "r":
				skip++
			case token.Name.Local == "t":
				open++
			}
		case xml.EndElement:
			switch {
			case p.depth < base:
				return into, nil
			case skip > 0:
				skip--
			case token.Name.Local == "t":
				open--
			}
		case xml.CharData:
			if open > 0 && skip == 0 {
				into = append(into, token...)
			}
		}
	}
}

// readPlain appends all the text of an element that began.
func (p *part) readPlain(into []byte) ([]byte, error) {
	base := p.depth
	for {
		token, err := p.next()
		if err != nil {
			return into, err
		}
		switch token := token.(type) {
		case nil:
			return into, p.source.fault("a part of the workbook is not sound", errors.New("it ends within a value"))
		case xml.EndElement:
			if p.depth < base {
				return into, nil
			}
		case xml.CharData:
			into = append(into, token...)
		}
	}
}
