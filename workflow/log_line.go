package workflow

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// cleanText makes a text storable: valid UTF-8, without NUL (PostgreSQL has no
// place for it), and of at most limit bytes. cut says that something is missing.
func cleanText(s string, limit int) (clean string, cut bool) {
	if len(s) > limit {
		s, cut = s[:limit], true
		for range utf8.UTFMax - 1 { // a rune may be cut through
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > limit { // the replacement is longer than what it replaces
		return cleanText(s, limit)
	}
	return s, cut
}

// attributeText writes attributes as a JSON object of at most limit bytes. Those
// that find no room are left out.
type attributeText struct {
	buf   []byte
	limit int
	cut   bool
}

// maxGroups is how deep groups may be nested.
const maxGroups = 8

func (t *attributeText) object(attrs []slog.Attr, depth int) {
	t.buf = append(t.buf, '{')
	first := true
	t.members(attrs, depth, &first)
	t.buf = append(t.buf, '}')
}

func (t *attributeText) members(attrs []slog.Attr, depth int, first *bool) {
	for _, a := range attrs {
		v := a.Value.Resolve()
		group := v.Kind() == slog.KindGroup
		switch {
		case group && a.Key == "": // its attributes stand beside the others
			t.members(v.Group(), depth, first)
		case group && len(v.Group()) == 0, !group && a.Equal(slog.Attr{}):
		default:
			t.member(a.Key, v, depth, first)
		}
	}
}

func (t *attributeText) member(key string, v slog.Value, depth int, first *bool) {
	before := len(t.buf)
	if !*first {
		t.buf = append(t.buf, ',')
	}
	key, cut := cleanText(key, t.limit)
	name, err := json.Marshal(key)
	t.buf = append(append(t.buf, name...), ':')
	switch {
	case v.Kind() != slog.KindGroup:
		t.buf = append(t.buf, t.value(v)...)
	case depth < maxGroups:
		t.object(v.Group(), depth+1)
	default:
		t.buf, t.cut = append(t.buf, `null`...), true
	}
	// The braces that are still open need their room too.
	if err != nil || len(t.buf)+depth+1 > t.limit {
		t.buf, t.cut = t.buf[:before], true
		return
	}
	t.cut = t.cut || cut
	*first = false
}

func (t *attributeText) value(v slog.Value) (text []byte) {
	defer func() {
		if r := recover(); r != nil { // of a MarshalJSON or String of the node's
			text, t.cut = []byte(`null`), true
		}
	}()
	var plain any
	switch v.Kind() {
	case slog.KindString:
		plain = t.short(v.String())
	case slog.KindDuration:
		plain = v.Duration().String()
	case slog.KindTime:
		plain = v.Time().UTC().Format(time.RFC3339Nano)
	default:
		plain = v.Any()
		if err, ok := plain.(error); ok {
			plain = t.short(err.Error())
		}
	}
	text, err := json.Marshal(plain)
	if err != nil { // NaN, a channel, a cycle
		instead := fmt.Sprintf("%T", plain)
		if v.Kind() == slog.KindFloat64 {
			instead = v.String()
		}
		text, _ = json.Marshal(instead)
	}
	return text
}

// short keeps one long text from being written in full only to be left out.
func (t *attributeText) short(s string) string {
	s, cut := cleanText(s, t.limit/2)
	t.cut = t.cut || cut
	return s
}

// attributesOf is the JSON of attributes, nil for none.
func attributesOf(attrs []slog.Attr, limit int) (text *string, cut bool) {
	if len(attrs) == 0 {
		return nil, false
	}
	t := attributeText{limit: limit}
	t.object(attrs, 0)
	if len(t.buf) <= len(`{}`) {
		return nil, t.cut
	}
	s := string(t.buf)
	return &s, t.cut
}
