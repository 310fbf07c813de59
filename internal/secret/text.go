package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Mask stands for a secret wherever one would be shown. Posted back, it means
// "keep what is stored".
const Mask = "••••••••"

// Text is a secret string that cannot be printed, logged or marshalled: each
// shows [Mask]. Only [Text.Reveal] gives the value.
//
// The zero value is an empty secret. Two Texts of the same value are not ==.
type Text struct {
	// A pointer, because fmt prints an unexported field of somebody else's
	// struct without asking its methods: then it prints an address.
	value *string
}

// NewText hides a value.
func NewText(value string) Text { return Text{value: &value} }

// Reveal gives the value to the one place that needs it.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Empty reports whether there is no value.
func (t Text) Empty() bool { return t.Reveal() == "" }

// String is the mask, or "" when there is no value.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	return Mask
}

// Format keeps every verb of fmt from showing the value.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue keeps slog from showing the value.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON writes the mask.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON reads a value.
func (t *Text) UnmarshalJSON(b []byte) error {
	var value string
	if err := json.Unmarshal(b, &value); err != nil {
		return err
	}
	*t = NewText(value)
	return nil
}
