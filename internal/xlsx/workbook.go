package xlsx

import (
	"context"
	"io"
	"path"
	"strings"
)

// Workbook is an open file. Its methods are not safe for concurrent use.
type Workbook struct {
	archive  *archive
	sheets   []sheet
	texts    string // the name of the part with the shared texts, "" = none
	styles   string
	from1904 bool    // days are counted from 1904
	shared   *common // read with the first sheet
}

// common is what the cells of all sheets refer to.
type common struct {
	texts  texts
	styles []shape
}

type sheet struct{ name, part string }

// Open reads what a workbook consists of. When ctx ends, so does all reading of it.
// Errors are an *[Error], or those of ctx and r.
func Open(ctx context.Context, r io.ReaderAt, size int64) (*Workbook, error) {
	a, err := openArchive(ctx, r, size)
	if err != nil {
		return nil, err
	}
	root, err := a.relations("")
	if err != nil {
		return nil, err
	}
	main := "xl/workbook.xml"
	for _, rel := range root {
		if strings.HasSuffix(rel.kind, "/officeDocument") {
			main = rel.target
		}
	}
	w := &Workbook{archive: a}
	rels, err := a.relations(main)
	if err != nil {
		return nil, err
	}
	for _, rel := range rels {
		switch {
		case strings.HasSuffix(rel.kind, "/sharedStrings"):
			w.texts = rel.target
		case strings.HasSuffix(rel.kind, "/styles"):
			w.styles = rel.target
		}
	}
	return w, w.readSheets(main, rels)
}

// Sheets lists the names of the worksheets in their order.
func (w *Workbook) Sheets() []string {
	names := make([]string, len(w.sheets))
	for i, s := range w.sheets {
		names[i] = s.name
	}
	return names
}

// readShared reads what the sheets refer to, once.
func (w *Workbook) readShared() (err error) {
	if w.shared != nil {
		return nil
	}
	var c common
	if c.texts, err = w.readTexts(); err != nil {
		return err
	}
	if c.styles, err = w.readStyles(); err != nil {
		return err
	}
	w.shared = &c
	return nil
}

func (w *Workbook) readSheets(main string, rels map[string]relation) error {
	p, err := w.archive.open(main, maxPart)
	if err != nil {
		return err
	}
	if p == nil {
		return &Error{Message: "the archive has no workbook in it"}
	}
	defer p.Close()
	for {
		p.renew()
		s, err := p.start("sheet", "workbookPr")
		if err != nil {
			return err
		}
		switch {
		case s == nil && len(w.sheets) == 0:
			return &Error{Message: "the workbook has no sheets"}
		case s == nil:
			return nil
		case s.Name.Local == "workbookPr":
			v := attribute(s, "date1904")
			w.from1904 = v == "1" || v == "true"
			continue
		}
		rel := rels[relationID(s)]
		if !strings.HasSuffix(rel.kind, "/worksheet") { // a chart, say
			continue
		}
		if w.sheets = append(w.sheets, sheet{attribute(s, "name"), rel.target}); len(w.sheets) > maxSheets {
			return &Error{Message: "the workbook has too many sheets"}
		}
	}
}

// relation is a reference from one part to another.
type relation struct{ kind, target string }

// relations reads what a part refers to, by id. "" is the archive itself.
func (a *archive) relations(of string) (map[string]relation, error) {
	dir, base := path.Split(of)
	p, err := a.open(dir+"_rels/"+base+".rels", maxPart)
	if p == nil || err != nil {
		return nil, err
	}
	defer p.Close()
	found := map[string]relation{}
	for {
		p.renew()
		s, err := p.start("Relationship")
		if s == nil || err != nil {
			return found, err
		}
		target := attribute(s, "Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(dir, target)
		}
		found[attribute(s, "Id")] = relation{attribute(s, "Type"), strings.TrimPrefix(target, "/")}
	}
}
