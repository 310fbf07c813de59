package shape

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/problem"
)

// CheckKeywords adds what a schema says that means nothing: a type that is none, and a
// keyword that is none, unless it begins with "x-". JSON Schema takes both without a
// word, and then judges nothing, which is how a misspelt word lets everything through.
// The paths are below path.
func CheckKeywords(f *problem.Faults, path string, s *jsonschema.Schema) {
	if s == nil || len(f.List()) >= maxFaults {
		return
	}
	for _, kind := range kindsOf(s) {
		if kinds[kind] == "" {
			f.Addf(below(path, "type"), "must be one of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Extra)) {
		if !strings.HasPrefix(name, "x-") {
			f.Add(below(path, name), `is no keyword of JSON Schema; words of your own begin with "x-"`)
		}
	}
	for _, part := range []struct {
		name    string
		schemas map[string]*jsonschema.Schema
	}{
		{"properties", s.Properties}, {"patternProperties", s.PatternProperties}, {"dependentSchemas", s.DependentSchemas},
		{"$defs", s.Defs}, {"definitions", s.Definitions}, {"dependencies", s.DependencySchemas},
	} {
		for _, name := range slices.Sorted(maps.Keys(part.schemas)) {
			CheckKeywords(f, below(below(path, part.name), name), part.schemas[name])
		}
	}
	for _, part := range []struct {
		name    string
		schemas []*jsonschema.Schema
	}{
		{"allOf", s.AllOf}, {"anyOf", s.AnyOf}, {"oneOf", s.OneOf}, {"prefixItems", s.PrefixItems}, {"items", s.ItemsArray},
	} {
		for i, schema := range part.schemas {
			CheckKeywords(f, at(below(path, part.name), i), schema)
		}
	}
	for _, part := range []struct {
		name   string
		schema *jsonschema.Schema
	}{
		{"items", s.Items}, {"additionalProperties", s.AdditionalProperties}, {"contains", s.Contains}, {"propertyNames", s.PropertyNames},
		{"not", s.Not}, {"if", s.If}, {"then", s.Then}, {"else", s.Else}, {"unevaluatedItems", s.UnevaluatedItems},
		{"unevaluatedProperties", s.UnevaluatedProperties}, {"additionalItems", s.AdditionalItems}, {"contentSchema", s.ContentSchema},
	} {
		if part.schema != nil {
			CheckKeywords(f, below(path, part.name), part.schema)
		}
	}
}
