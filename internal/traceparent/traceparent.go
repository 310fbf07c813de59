// Package traceparent reads and writes the header of W3C Trace Context
// (https://www.w3.org/TR/trace-context/), in which a trace is carried between
// processes.
package traceparent

import (
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the header.
const Header = "traceparent"

const length = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")

// Format writes the context of a span, "" for one that is not valid.
func Format(c trace.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}

// Parse reads what [Format] writes, as the context of a span of another process.
// Anything else is a context that is not valid.
func Parse(s string) trace.SpanContext {
	if len(s) != length || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return trace.SpanContext{}
	}
	traceID, err := trace.TraceIDFromHex(s[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	spanID, err := trace.SpanIDFromHex(s[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	flags, err := hex.DecodeString(s[53:])
	if err != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags[0]) & trace.FlagsSampled, Remote: true,
	})
}
