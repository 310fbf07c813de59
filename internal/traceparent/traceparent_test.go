package traceparent_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/jetadmin/jetadmin/internal/traceparent"
)

func FuzzParse(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		c := traceparent.Parse(s)
		if !c.IsValid() {
			return
		}
		if again := traceparent.Parse(traceparent.Format(c)); !again.Equal(c) || !c.IsRemote() {
			t.Errorf("%q is %v, then %v", s, c, again)
		}
	})
}

func TestFormat(t *testing.T) {
	t.Parallel()
	const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := traceparent.Format(traceparent.Parse(header)); got != header {
		t.Errorf("got %q", got)
	}
	if got := traceparent.Format(trace.SpanContext{}); got != "" {
		t.Errorf("no span is %q", got)
	}
}
