package realtime_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/realtime"
)

// stuck is a bus that has no history to tell of one topic until it is given up.
type stuck struct {
	*realtime.MemoryBus
	topic   string
	reading chan struct{}
}

func (b *stuck) Read(ctx context.Context, topic string, after int64, limit int) (realtime.History, error) {
	if topic == b.topic {
		b.reading <- struct{}{}
		<-ctx.Done()
		return realtime.History{}, ctx.Err()
	}
	return b.MemoryBus.Read(ctx, topic, after, limit)
}

// T132: whoever joins and leaves while an earlier history is on its way leaves nothing
// behind.
func TestT132_JoinsAndLeavesBehindAReplay(t *testing.T) {
	t.Parallel()
	bus := &stuck{MemoryBus: realtime.NewMemoryBus(), topic: "run:1", reading: make(chan struct{}, 9)}
	w := setup(t, bus)
	s := w.enter(t, "ann")
	s.send(`{"id":"1","op":"subscribe","topic":"run:1","since":0}`)
	<-bus.reading
	const pairs = 50
	for i := range pairs {
		s.send(fmt.Sprintf(`{"id":"j%d","op":"subscribe","topic":"run:2","since":0}`, i))
		s.send(fmt.Sprintf(`{"id":"l%d","op":"unsubscribe","topic":"run:2"}`, i))
		s.want("ok")
	}
	eventually(t, 3*time.Second, "no replay waits for a subscription that has ended", func() bool { return replaying() < pairs/2 })
}

// replaying counts the goroutines that replay.
func replaying() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*subscription).replay(")
}
