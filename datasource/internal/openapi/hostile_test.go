package openapi_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/internal/openapi"
)

// document is an OpenAPI document with members of its own.
func document(t *testing.T, members map[string]any) []byte {
	t.Helper()
	members["openapi"] = "3.0.0"
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readWithin fails when a document takes too much time or memory. Tests that call
// it are not parallel: memory is counted for the whole process.
func readWithin(t *testing.T, text []byte, limit time.Duration, memory uint64) datasource.Import {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	started := time.Now()
	in, err := openapi.Read(text)
	took := time.Since(started)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; took > limit || made > memory {
		t.Errorf("%d KB took %s and %d MB", len(text)>>10, took, made>>20)
	}
	return in
}

func TestT76_TheVariablesOfAServerAreBounded(t *testing.T) {
	for name, variables := range map[string]map[string]any{
		"many holes":      {"a": map[string]any{"default": strings.Repeat("x", 20_000)}},
		"holes in values": {"a": map[string]any{"default": strings.Repeat("{b}", 20)}, "b": map[string]any{"default": strings.Repeat("{c}", 20_000)}},
	} {
		servers := []any{map[string]any{"url": "https://api.test/" + strings.Repeat("{a}", 5000), "variables": variables}}
		if in := readWithin(t, document(t, map[string]any{"servers": servers}), time.Minute, 10<<20); in.BaseURL != "" {
			t.Errorf("%s: the base URL has %d bytes", name, len(in.BaseURL))
		}
	}
}

// A value is what it says, whatever the order of the variables.
func TestTheVariablesOfAServer(t *testing.T) {
	t.Parallel()
	for range 20 {
		in, err := openapi.Read([]byte(`{"openapi": "3.0.0", "servers": [{"url": "https://{host}.test/{version}/{a}", "variables":
			{"host": {"default": "api"}, "version": {"default": "v2"}, "a": {"default": "b-version"}, "b": {"default": "c"}}}]}`))
		if err != nil || in.BaseURL != "https://api.test/v2/b-version" {
			t.Fatalf("got %q, %v", in.BaseURL, err)
		}
	}
}

func TestT76_TheHolesOfAPathAreBounded(t *testing.T) {
	paths := map[string]any{}
	for i := range 20 {
		paths[fmt.Sprintf("/%d", i)+strings.Repeat("/{a}", 3000)] = map[string]any{"get": map[string]any{}}
	}
	paths["/z"+strings.Repeat("/{a}", datasource.MaxParams)] = map[string]any{"get": map[string]any{}}
	in := readWithin(t, document(t, map[string]any{"paths": paths}), 10*time.Second, 50<<20)
	if len(in.Suggestions) != 1 || len(in.Skipped) != 20 {
		t.Fatalf("%d suggestions, %d skipped", len(in.Suggestions), len(in.Skipped))
	}
	usable(t, in.Suggestions[0])
}

func TestNamesOfOperationsAreUnique(t *testing.T) {
	t.Parallel()
	in, err := openapi.Read([]byte(`{"openapi": "3.0.0", "paths": {"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x 2"}}, "/c": {"get": {"operationId": "x"}}, "/d": {"get": {"operationId": "x"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range in.Suggestions {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ", "); got != "x, x 2, x 3, x 4" {
		t.Errorf("got %s", got)
	}
}

func TestT76_LongReferencesAreRefused(t *testing.T) {
	text := "openapi: 3.0.0\nx: &x\n  $ref: '#" + strings.Repeat("/a", 100_000) + "'\npaths:\n"
	for i := range 900 {
		text += fmt.Sprintf("  /%d: {get: {parameters: [*x]}}\n", i)
	}
	in := readWithin(t, []byte(text), 10*time.Second, 300<<20)
	if len(in.Skipped) != 900 {
		t.Errorf("%d skipped", len(in.Skipped))
	}
}

// A long name is cut before it is worked on.
func TestT76_LongNamesOfParameters(t *testing.T) {
	text := "openapi: 3.0.0\nx: &x {in: path, name: '" + strings.Repeat("n", 300_000) + "'}\npaths:\n"
	for i := range 300 {
		text += fmt.Sprintf("  /%d: {get: {parameters: [*x, {in: query, name: q, schema: {$ref: x}}]}}\n", i)
	}
	if in := readWithin(t, []byte(text), 10*time.Second, 300<<20); len(in.Skipped) != 300 {
		t.Errorf("%d skipped", len(in.Skipped))
	}
}

func TestT76_WhatIsSkippedIsBounded(t *testing.T) {
	paths := map[string]any{}
	for i := range 20_000 {
		paths[fmt.Sprintf("/%d", i)] = map[string]any{"$ref": "elsewhere.yaml"}
	}
	in := readWithin(t, document(t, map[string]any{"paths": paths}), 10*time.Second, 100<<20)
	if len(in.Skipped) != 1000 || !in.Truncated {
		t.Errorf("%d skipped, truncated %v", len(in.Skipped), in.Truncated)
	}
}

func TestT76_PatternsAreBounded(t *testing.T) {
	for name, pattern := range map[string]string{
		"repetitions": "^" + strings.Repeat("a{1000}", 70) + "$",
		"classes":     "^" + strings.Repeat(`(?i:\pL)`, 60) + "$",
	} {
		var parameters []any
		for i := range 50 {
			parameters = append(parameters, map[string]any{"in": "query", "name": fmt.Sprintf("q%d", i), "schema": map[string]any{"type": "string", "pattern": pattern}})
		}
		paths := map[string]any{}
		for i := range 4 {
			paths[fmt.Sprintf("/%d", i)] = map[string]any{"parameters": parameters, "get": map[string]any{}}
		}
		in := readWithin(t, document(t, map[string]any{"paths": paths}), 5*time.Second, 200<<20)
		if len(in.Suggestions) != 4 || in.Suggestions[0].Params[0].Pattern != "" {
			t.Errorf("%s: %d suggestions", name, len(in.Suggestions))
		}
	}
}

// Small patterns are kept as long as all of them together are no great work, and
// without them a document is read all the same.
func TestT76_ManyPatterns(t *testing.T) {
	var parameters []any
	for i := range 100 {
		parameters = append(parameters, map[string]any{"in": "query", "name": fmt.Sprintf("q%d", i), "schema": map[string]any{"type": "string", "pattern": "^[a-z]{1,900}$"}})
	}
	paths := map[string]any{}
	for i := range 20 {
		paths[fmt.Sprintf("/%03d", i)] = map[string]any{"parameters": parameters, "get": map[string]any{}}
	}
	in := readWithin(t, document(t, map[string]any{"paths": paths}), 20*time.Second, 2<<30)
	if len(in.Suggestions) != 20 {
		t.Fatalf("%d suggestions", len(in.Suggestions))
	}
	if in.Suggestions[0].Params[99].Pattern == "" || in.Suggestions[19].Params[99].Pattern != "" {
		t.Errorf("the first has the pattern %q, the last %q", in.Suggestions[0].Params[99].Pattern, in.Suggestions[19].Params[99].Pattern)
	}
}

// JSON Schema looks for a pattern anywhere in a text, a query wants the whole of
// it: only a pattern that means the same in both is kept.
func TestOnlyPatternsForTheWholeTextAreKept(t *testing.T) {
	t.Parallel()
	for pattern, kept := range map[string]bool{
		`^a$`: true, `^(a|b)$`: true, `^a$|^b$`: true, `(^a$)`: true, `^$`: true, `^(?:a|b)+$`: true,
		`^a|b$`: false, `^a|^b$`: false, `^a$|b`: false, `^a\$`: false, `a`: false, `^a`: false, `a$`: false, `(^a)?b$`: false, `(?m)^a$`: false, `^a$)`: false,
	} {
		text := document(t, map[string]any{"paths": map[string]any{"/a": map[string]any{"get": map[string]any{"parameters": []any{
			map[string]any{"in": "query", "name": "q", "schema": map[string]any{"type": "string", "pattern": pattern}},
		}}}}})
		in, err := openapi.Read(text)
		if err != nil || len(in.Suggestions) != 1 {
			t.Fatalf("%s: %v", pattern, err)
		}
		if got := in.Suggestions[0].Params[0].Pattern; (got == pattern) != kept || !kept && got != "" {
			t.Errorf("%s becomes %q", pattern, got)
		}
	}
}
