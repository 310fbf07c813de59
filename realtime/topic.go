package realtime

import (
	"strings"

	"github.com/jetadmin/jetadmin/problem"
)

// maxTopic is the length of a topic's name in bytes: with a number it fits the
// reason of a close frame.
const maxTopic = 96

// Topic names a sequence of events, e.g. those of one run.
type Topic struct {
	Kind string // what sort of object, e.g. "run"
	ID   string // which one
}

// ParseTopic reads "<kind>:<id>". A kind is of lower-case letters, an id of
// letters, digits, "-" and "_": there is no way to write a wildcard. Everything
// else is Invalid.
func ParseTopic(s string) (Topic, error) {
	kind, id, ok := strings.Cut(s, ":")
	if !ok || len(s) > maxTopic || !all(kind, isLower) || !all(id, isIDByte) {
		return Topic{}, problem.New(problem.Invalid, "topic_invalid", `a topic is written "<kind>:<id>"`)
	}
	return Topic{Kind: kind, ID: id}, nil
}

// String is the name in the protocol.
func (t Topic) String() string { return t.Kind + ":" + t.ID }

func all(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return s != ""
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isIDByte(c byte) bool {
	return isLower(c) || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func isTypeByte(c byte) bool { return isIDByte(c) || c == '.' }

// isKeyByte leaves out the bytes that separate a key from its neighbours on the
// Redis bus.
func isKeyByte(c byte) bool { return ' ' < c && c < 0x7f }
