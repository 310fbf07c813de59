package xlsx

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"strings"
)

// archive is the zip of a workbook.
type archive struct {
	source *source
	parts  map[string]*zip.File // by their names in lower case
}

// source tells failures of the storage from faults of the file, and bounds what
// is read while left is not negative.
type source struct {
	ctx  context.Context
	r    io.ReaderAt
	left int64
	err  error
}

var (
	errDirectory = errors.New("too much to read")
	errPlace     = errors.New("a part before the beginning")
)

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.left >= 0 {
		if s.left -= int64(len(p)); s.left < 0 {
			return 0, errDirectory
		}
	}
	if off < 0 {
		return 0, errPlace
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// fault is what went wrong with the file, or with its storage.
func (s *source) fault(message string, cause error) error {
	if s.err != nil {
		return s.err
	}
	if e, ok := errors.AsType[*Error](cause); ok {
		return e
	}
	return &Error{message, cause}
}

func openArchive(ctx context.Context, r io.ReaderAt, size int64) (*archive, error) {
	// The reader of the standard library reads on as long as there are entries.
	s := &source{ctx: ctx, r: r, left: maxDirectory}
	z, err := zip.NewReader(s, size)
	if err != nil {
		return nil, s.fault("the file is not a sound archive", err)
	}
	s.left = -1
	a := &archive{source: s, parts: make(map[string]*zip.File, len(z.File))}
	for _, f := range z.File {
		name := strings.ToLower(f.Name)
		if a.parts[name] != nil {
			return nil, &Error{Message: "the archive has two entries of one name"}
		}
		a.parts[name] = f
	}
	return a, nil
}

// open reads a part; nil without an error means that there is none.
func (a *archive) open(name string, limit int64) (*part, error) {
	f := a.parts[strings.ToLower(strings.TrimPrefix(name, "/"))]
	if f == nil {
		return nil, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, a.source.fault("a part of the workbook cannot be read", err)
	}
	return newPart(a.source, r, limit), nil
}
