package xlsx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// convert makes a value of the text in a cell of a type (ISO/IEC 29500-1,
// 18.18.11) and a style.
func (r *Rows) convert(kind, style, text string) (any, error) {
	switch kind {
	case "s":
		return r.workbook.shared.texts.at(text)
	case "str", "inlineStr":
		return unescape(text), nil
	case "b":
		return text == "1" || text == "true", nil
	case "e":
		return Fault(text), nil
	case "d":
		return isoDate(text), nil
	}
	if text == "" {
		return nil, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, &Error{Message: "a cell of the workbook has a number that is none", Cause: err}
	}
	i, _ := strconv.Atoi(style)
	if styles := r.workbook.shared.styles; i >= 0 && i < len(styles) && styles[i] != number {
		if v, ok := r.workbook.timed(f, styles[i]); ok {
			return v, nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 && !strings.ContainsAny(text, ".") { // 1E+3
		return int64(f), nil
	}
	return f, nil
}

const (
	dayMillis = 24 * 60 * 60 * 1000
	lastDay   = 2_958_465 // 9999-12-31
)

// timed reads a number of days as a time. Times are kept to the millisecond: the
// number has no more digits. ok is false for what is beyond the calendar.
func (w *Workbook) timed(days float64, kind shape) (v any, ok bool) {
	if days < 0 || days > lastDay+1 {
		return nil, false
	}
	whole := math.Floor(days)
	millis := int64(math.Round((days - whole) * dayMillis))
	if kind == elapsed || kind == timeOfDay && whole == 0 {
		return clockText(int64(whole)*dayMillis + millis), true
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case w.from1904:
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case whole < 60: // before the 29 February 1900 that the format knows
		epoch = epoch.AddDate(0, 0, 1)
	}
	at := epoch.AddDate(0, 0, int(whole)).Add(time.Duration(millis) * time.Millisecond)
	if kind == day && millis == 0 {
		return Day(at.Format(time.DateOnly)), true
	}
	return at, true
}

func clockText(millis int64) Time {
	seconds := millis / 1000
	text := fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if rest := millis % 1000; rest > 0 {
		text += fmt.Sprintf(".%03d", rest)
	}
	return Time(text)
}

// isoDate reads a date as ISO 8601 writes it; what it cannot read stays a text.
func isoDate(text string) any {
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return Day(text)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return text
}
