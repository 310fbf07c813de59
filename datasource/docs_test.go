package datasource_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/graphql"
	"github.com/jetadmin/jetadmin/datasource/rest"
	"github.com/jetadmin/jetadmin/datasource/service"
)

// The operations that the text shows are ones: of the type behind ```json, or of
// the type that is the heading.
func TestTheOperationsOfTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/datasources-http.md")
	if err != nil {
		t.Fatal(err)
	}
	services, err := service.Builtins()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]datasource.Connector{}
	for _, c := range append(services, rest.Connector(), graphql.Connector()) {
		types[c.Spec().Type] = c
	}
	shown := 0
	for section := range strings.SplitSeq(string(text), "\n## ") {
		heading, _, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?s)```json ?([a-z]*)\n(.*?)```").FindAllStringSubmatch(section, -1) {
			shown++
			name := block[1]
			if name == "" {
				name = heading
			}
			if name == "spec" {
				spec, err := service.Parse([]byte(block[2]))
				if err == nil {
					_, err = service.New(spec)
				}
				if err != nil {
					t.Errorf("a spec: %v", err)
				}
				continue
			}
			if types[name] == nil {
				t.Errorf("%s is no type", name)
			} else if _, err := types[name].Parse(json.RawMessage(block[2])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if shown < 6 {
		t.Errorf("it shows only %d operations", shown)
	}
	for name := range types {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("it does not name %s", name)
		}
	}
}
