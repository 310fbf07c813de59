package expr

import (
	"testing"
)

func benchmarkEnv() Env {
	rows := make([]any, 1000)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "total": float64(i) * 1.5, "country": "DE"}
	}
	return Env{
		"input": map[string]any{"limit": 100, "name": "Zoë"},
		"steps": map[string]any{"orders": map[string]any{"rows": rows}},
	}
}

func BenchmarkParseTemplate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTemplate("Order {{ input.id }} of {{ input.name }}"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	env := benchmarkEnv()
	for name, text := range map[string]string{
		"path":     "{{ input.limit }}",
		"text":     "Dear {{ input.name }}, {{ input.limit }} left",
		"compare":  "{{ input.limit > 50 && input.name != 'x' }}",
		"map1000":  "{{ sum(map(filter(steps.orders.rows, .total > input.limit), .total * 2)) }}",
		"copy1000": "{{ steps.orders.rows }}",
	} {
		b.Run(name, func(b *testing.B) {
			t, err := ParseTemplate(text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.Eval(env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
