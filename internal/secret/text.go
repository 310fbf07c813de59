package secret

import (
	"encoding/json"
	"log/slog"
)

// Mask stands for a secret wherever one would be shown. Posted back, it means
// "keep what is stored".
const Mask = "••••••••"

// Text is a secret string that cannot be printed, logged or marshalled: each
// shows [Mask]. Only [Text.Reveal] gives the value.
type Text struct{ value string }

// NewText hides a value.
func NewText(value string) Text { return Text{value: value} }

// Reveal gives the value to the one place that needs it.
func (t Text) Reveal() string { return t.value }

// Empty reports whether there is no value.
func (t Text) Empty() bool { return t.value == "" }

// String is the mask, or "" when there is no value.
func (t Text) String() string {
	if t.value == "" {
		return ""
	}
	return Mask
}

// GoString keeps %#v from showing the value.
func (t Text) GoString() string { return "secret.Text(" + t.String() + ")" }

// LogValue keeps slog from showing the value.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON writes the mask.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON reads a value.
func (t *Text) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &t.value) }
