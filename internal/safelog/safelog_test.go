package safelog_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/safelog"
)

// rude panics at whatever is asked of it.
type rude struct{}

func (rude) Enabled(context.Context, slog.Level) bool  { panic("enabled") }
func (rude) Handle(context.Context, slog.Record) error { panic("handle") }
func (rude) WithAttrs([]slog.Attr) slog.Handler        { panic("attrs") }
func (rude) WithGroup(string) slog.Handler             { panic("group") }
func (rude) LogValue() slog.Value                      { panic("value") }
func (rude) String() string                            { panic("string") }

func TestAHandlerThatPanicsPanicsNobody(t *testing.T) {
	t.Parallel()
	l := safelog.New(slog.New(rude{}))
	l.Info("one")
	l.With("a", 1).WithGroup("g").Error("two", "b", 2)
	if err := l.Handler().Handle(t.Context(), slog.Record{}); err == nil {
		t.Error("a record that is lost is no error")
	}
}

func TestWhatIsLoggedArrives(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	l := safelog.New(slog.New(slog.NewTextHandler(&text, nil)))
	l.With("a", 1).WithGroup("g").Info("one", "b", 2)
	l.Debug("two")
	l.Info("three", "v", slog.AnyValue(rude{}))
	if got := text.String(); !strings.Contains(got, "msg=one a=1 g.b=2") || strings.Contains(got, "two") {
		t.Errorf("logged %q", got)
	}
	if safelog.New(l) != l {
		t.Error("it was made safe twice")
	}
}
