package realtime

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// maxEvent is the size of an event's encoded data in bytes. Events carry ids and
// a few fields; who needs more fetches the object.
const maxEvent = 256 << 10

// maxKey is the length of an event's key in bytes.
const maxKey = 128

// Event is one piece of news about a topic.
type Event struct {
	// Topic is where it belongs, "<kind>:<id>", see [ParseTopic].
	Topic string

	// Type says what happened, e.g. "run.node.updated": letters, digits, ".", "-", "_".
	Type string

	// Key marks an event that tells a whole state, and names whose, e.g.
	// "node:charge". A slow reader may get only the newest event of a key. ""
	// means that every event counts. Up to 128 printable ASCII characters without
	// a space.
	Key string

	// Data is encoded as JSON, once, before the event is handed on; up to 256 KB.
	Data any
}

// encode makes the message of an event. Its errors are Invalid or TooLarge.
func (e Event) encode(at time.Time) (Message, error) {
	if _, err := ParseTopic(e.Topic); err != nil {
		return Message{}, err
	}
	if !all(e.Type, isTypeByte) || e.Key != "" && (len(e.Key) > maxKey || !all(e.Key, isKeyByte)) {
		return Message{}, problem.New(problem.Invalid, "event_invalid", "the type or key of the event is not valid")
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return Message{}, problem.New(problem.Invalid, "event_invalid", "the data of the event cannot be encoded").Because(err)
	}
	if len(data) > maxEvent {
		return Message{}, problem.Newf(problem.TooLarge, "event_too_large", "an event is limited to %d bytes", maxEvent)
	}
	body := make([]byte, 0, len(`"type":"","data":,"time":""}`)+len(e.Type)+len(data)+len(time.RFC3339Nano))
	body = append(body, `"type":"`...)
	body = append(body, e.Type...)
	body = append(body, `","data":`...)
	body = append(body, data...)
	body = append(body, `,"time":"`...)
	body = at.AppendFormat(body, time.RFC3339Nano)
	body = append(body, `"}`...)
	return Message{Key: e.Key, Body: body}, nil
}

// eventFrame is a message as every subscriber of the topic receives it. Topic
// and body need no escaping: both were made by this package.
func eventFrame(topic string, m Message) []byte {
	frame := make([]byte, 0, len(`{"op":"event","topic":"","seq":,`)+len(topic)+20+len(m.Body))
	frame = append(frame, `{"op":"event","topic":"`...)
	frame = append(frame, topic...)
	frame = append(frame, `","seq":`...)
	frame = strconv.AppendInt(frame, m.Seq, 10)
	frame = append(frame, ',')
	return append(frame, m.Body...)
}
