package api

import (
	"bufio"
	"net/http"
	"strconv"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
)

const (
	streamBuffer = 64 << 10
	streamPause  = time.Second      // rows do not wait longer for others
	streamWrite  = 30 * time.Second // in which the other side has to take something
)

// outlet is a [datasource.RowWriter] on a reply.
type outlet struct {
	datasource.RowWriter
	w         http.ResponseWriter
	control   *http.ResponseController
	buffer    *bufio.Writer
	mediaType string
	begun     bool
	flushed   time.Time
}

func newOutlet(w http.ResponseWriter, mediaType string) *outlet {
	o := &outlet{w: w, control: http.NewResponseController(w), mediaType: mediaType}
	o.buffer = bufio.NewWriterSize(timed{o}, streamBuffer)
	o.RowWriter = datasource.NewCSV(o.buffer)
	if mediaType == ndjsonType {
		o.RowWriter = datasource.NewNDJSON(o.buffer)
	}
	return o
}

// timed gives each write a time of its own: who reads slowly gets it all, who
// does not read holds nothing up.
type timed struct{ *outlet }

func (t timed) Write(b []byte) (int, error) {
	_ = t.control.SetWriteDeadline(time.Now().Add(streamWrite)) // a server that has no deadlines has its own reasons
	return t.w.Write(b)
}

// free lets the connection serve further requests.
func (o *outlet) free() { _ = o.control.SetWriteDeadline(time.Time{}) }

// Begin implements datasource.RowWriter.
func (o *outlet) Begin(columns []datasource.Column) error {
	o.announce("result.csv")
	return o.RowWriter.Begin(columns)
}

// announce begins the reply.
func (o *outlet) announce(fileName string) {
	o.begun, o.flushed = true, time.Now()
	h := o.w.Header()
	h.Set("Content-Type", o.mediaType)
	h.Set("Trailer", rowCountTrailer+", "+truncatedTrailer)
	if o.mediaType == csvType {
		h.Set("Content-Disposition", `attachment; filename="`+fileName+`"`)
	}
	o.w.WriteHeader(http.StatusOK)
}

// Row implements datasource.RowWriter.
func (o *outlet) Row(values []any) error {
	if err := o.RowWriter.Row(values); err != nil || time.Since(o.flushed) < streamPause {
		return err
	}
	return o.flush()
}

// line writes an object on a line of NDJSON.
func (o *outlet) line(v any) error {
	if err := o.RowWriter.(*datasource.NDJSON).Line(v); err != nil || time.Since(o.flushed) < streamPause {
		return err
	}
	return o.flush()
}

func (o *outlet) flush() error {
	o.flushed = time.Now()
	if err := o.buffer.Flush(); err != nil {
		return err
	}
	_ = o.control.Flush() // a server that cannot sends it at the end
	return nil
}

// end tells that the stream is whole.
func (o *outlet) end(s datasource.Streamed) {
	if lines, ok := o.RowWriter.(*datasource.NDJSON); ok {
		_ = lines.End(s)
	}
	o.finish(s.RowCount, s.Truncated)
}

// finish sends what is left, with the trailers of a reply that is whole.
func (o *outlet) finish(rows int64, truncated bool) {
	if o.flush() != nil {
		panic(http.ErrAbortHandler) // what is missing must not look like the end
	}
	o.w.Header().Set(rowCountTrailer, strconv.FormatInt(rows, 10))
	o.w.Header().Set(truncatedTrailer, strconv.FormatBool(truncated))
}

// abandon tells that rows are missing.
func (o *outlet) abandon(p *Problem) {
	lines, ok := o.RowWriter.(*datasource.NDJSON)
	if ok {
		_ = lines.Line(map[string]any{"error": p})
	}
	if o.flush() != nil || !ok {
		panic(http.ErrAbortHandler)
	}
}
