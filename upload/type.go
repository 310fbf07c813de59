package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/xlsx"
	"github.com/jetadmin/jetadmin/problem"
)

// The types of files that are kept.
const (
	TypeText  = "text/csv"                                                          // any text: which table is in it, its reader says
	TypeExcel = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" // a workbook of Excel 2007 or newer
)

const head = 64 << 10 // as much of a file as is looked at

// typeOf says what a file is by what is in it.
func typeOf(ctx context.Context, b Blob) (string, error) {
	beginning := make([]byte, min(head, b.Size()))
	if _, err := b.ReadAt(beginning, 0); err != nil && err != io.EOF {
		return "", err
	}
	if bytes.HasPrefix(beginning, []byte("PK\x03\x04")) {
		_, err := xlsx.Open(ctx, b, b.Size())
		switch {
		case isFormat(err):
			return "", problem.Of(unsuitable("is an archive, but no sound workbook of Excel")).Because(err)
		case err != nil:
			return "", err
		}
		return TypeExcel, nil
	}
	if !isText(beginning, b.Size() > head) {
		return "", unsuitable("is neither text nor a workbook of Excel (xlsx)")
	}
	return TypeText, nil
}

func isFormat(err error) bool {
	_, ok := errors.AsType[*xlsx.Error](err)
	return ok
}

func unsuitable(message string) error {
	var faults problem.Faults
	faults.Add("content", message)
	return faults.Err("file_invalid", "the file is not valid")
}

// isText reports whether a beginning is that of a text: UTF-16 with its mark, or
// without control characters in UTF-8 or an encoding of one byte a character.
func isText(beginning []byte, more bool) bool {
	if bytes.HasPrefix(beginning, []byte{0xff, 0xfe}) || bytes.HasPrefix(beginning, []byte{0xfe, 0xff}) {
		return len(beginning)%2 == 0
	}
	control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' && r != '\f' || r == 0x7f }
	if !utf8.Valid(cutShort(beginning, more)) {
		return !bytes.ContainsFunc(beginning, func(r rune) bool { return r != utf8.RuneError && control(r) })
	}
	return !bytes.ContainsFunc(beginning, control)
}

// cutShort leaves out a character at the end that may go on.
func cutShort(b []byte, more bool) []byte {
	for i := 1; more && i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			return b[:len(b)-i]
		}
	}
	return b
}
