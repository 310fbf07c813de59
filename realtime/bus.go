package realtime

import (
	"context"
	"time"
)

// Bus numbers the events of topics, keeps the last of them, and carries them to
// every process that watches. It is safe for concurrent use.
//
// A bus that works in the background also has the methods of [Background]; the
// hub calls them. A bus belongs to one hub.
type Bus interface {
	// Publish gives the message the next number of the topic and hands it on. It
	// does not wait for other processes. The bus keeps the body; nobody may change
	// it afterwards. The error is Unavailable.
	Publish(ctx context.Context, topic string, m Message) error

	// Watch calls deliver for every message of the topic with a number above
	// last, in rising order and never twice at a time, until stop is called. A
	// number that is left out is a message that is lost to this process.
	// deliver must not block or call the bus.
	Watch(ctx context.Context, topic string, deliver func(Message)) (last int64, stop func(), err error)

	// Read returns up to limit messages with a number above after, oldest first.
	Read(ctx context.Context, topic string, after int64, limit int) (History, error)
}

// Background is what a [Bus] with goroutines of its own has. Stop sends what was
// published, as long as ctx allows, and leaves no goroutine.
type Background interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Selective is what a [Bus] has that knows whether anybody may want the events of
// a topic: somebody watches it, in whatever process, or may come back to its
// history. It may say yes to what nobody wants, not the other way round.
//
// Events of a topic that is not wanted need not be published. Its numbers stay
// where they are, and when a reader begins the topic later, [History].Partial says
// that there may have been events before.
type Selective interface {
	Wanted(ctx context.Context, topics []string) ([]bool, error)
}

// Turns is what a [Bus] has on which several processes make the same events: of
// all that ask for the turn of a topic, one gets it, and none for the time after.
type Turns interface {
	Turn(ctx context.Context, topic string, every time.Duration) (bool, error)
}

// Message is an event on its way.
type Message struct {
	Seq  int64  // the number within the topic, given by the bus
	Key  string // see [Event].Key
	Body []byte // the end of the frame, made by the hub; nil = this number is lost
}

// History is what a bus keeps of a topic.
type History struct {
	Base     int64     // where the numbers began: the first message had Base+1
	Last     int64     // the number of the newest message; Base when there was none
	Messages []Message // those asked for, as far as they are still there
	Partial  bool      // a reader began the topic, not its first message
}

// gap is a range of numbers that a reader does not get.
type gap struct{ from, to int64 }

// resume is where a reader goes on who has seen everything up to since, and what
// he has missed before. onDemand: events of the topic are made for readers only.
func (h History) resume(since int64, onDemand bool) (position int64, missed *gap) {
	switch {
	case since > h.Last: // the topic never got there: it was another life of it
		return h.Last, &gap{min(h.Base+1, h.Last), h.Last}
	case since > 0:
		return since, nil
	case h.Partial && onDemand:
		return h.Base, &gap{h.Base, h.Base}
	}
	return h.Base, nil
}

// Retention limits what a bus keeps for readers that come back.
type Retention struct {
	Age   time.Duration // of a topic without a new message; default 5 minutes
	Bytes int           // per topic; default 1 MB
	Count int           // messages per topic; default 1,000
}

func (r Retention) withDefaults() Retention {
	if r.Age <= 0 {
		r.Age = 5 * time.Minute
	}
	if r.Bytes <= 0 {
		r.Bytes = 1 << 20
	}
	if r.Count <= 0 {
		r.Count = 1000
	}
	return r
}
