package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/sandbox"
)

// The first run of a process also compiles the engine.
func BenchmarkFirstRun(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p, err := sandbox.New(sandbox.Config{})
		if err != nil {
			b.Fatal(err)
		}
		bench(b, p, "return 1", nil)
		if err := p.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// What it costs to have a fresh engine, call it and throw it away.
func BenchmarkRun(b *testing.B) {
	rows := make([]map[string]any, 1000)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "name": fmt.Sprint("customer ", i), "total": float64(i) * 1.25}
	}
	input, _ := json.Marshal(rows)
	for name, source := range map[string]string{
		"return 1":           `return 1`,
		"await":              `for (let i = 0; i < 10; i++) await i; return 1`,
		"1000 rows":          `return input.filter((r) => r.total > 500).map((r) => r.name.toUpperCase()).length`,
		"1000 rows and back": `return input`,
		"million turns":      `let n = 0; for (let i = 0; i < 1e6; i++) n += i; return n`,
		"fib 24":             `const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); return fib(24)`,
	} {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.ReportAllocs()
			bench(b, shared(), "return 1", nil)
			for b.Loop() {
				bench(b, shared(), source, json.RawMessage(input))
			}
		})
	}
}

// What checking a source costs when a graph is saved.
func BenchmarkCheck(b *testing.B) {
	source := strings.Repeat("if (input.a > 1) { const x = input.b.map((y) => y * 2); console.log(x) }\n", 50)
	for b.Loop() {
		if err := shared().Check(b.Context(), source); err != nil {
			b.Fatal(err)
		}
	}
}

func bench(b *testing.B, p *sandbox.Pool, source string, input any) {
	b.Helper()
	_, err := p.Run(b.Context(), sandbox.Program{Source: source, Input: input, Limits: sandbox.Limits{Time: time.Minute}})
	if err != nil {
		b.Fatal(err)
	}
}
