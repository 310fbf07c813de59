// Package xlsx reads the rows of workbooks (Office Open XML, ISO/IEC 29500) as a
// stream and with their types: numbers, texts, booleans, days and times.
//
// Nothing is unpacked to a disk, and nothing in a workbook makes it take more
// than a bounded amount of memory: archives with millions of entries, parts that
// unpack to gigabytes, endless cells and nested elements end in an [Error].
package xlsx

// The limits of what a workbook may unpack to.
const (
	maxDirectory = 2 << 20  // bytes of the list of what is in the archive
	maxPart      = 8 << 20  // bytes of each part but sheets and shared texts
	maxTexts     = 16 << 20 // bytes of the shared texts, all of which are in memory
	maxTextCount = 1 << 20
	maxSheet     = 1 << 30 // bytes of a sheet
	maxElement   = 1 << 20 // bytes of a cell, or of what is between two
	maxRow       = 8 << 20 // bytes of the texts in a row
	maxDepth     = 64      // of nested elements
	maxSheets    = 1000
	maxStyles    = 100_000

	// MaxColumns is how many columns a sheet has at most.
	MaxColumns = 16_384
)

// Error says that a file is no workbook, or one beyond the limits.
type Error struct {
	Message string // for people, one line without anything of the file
	Cause   error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return "xlsx: " + e.Message
	}
	return "xlsx: " + e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }
