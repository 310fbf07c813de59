package nodetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// spec checks what the node says about itself, and that the calls fit it.
func (s *suite) spec(t testing.TB) {
	if err := workflow.CheckNode(s.node); err != nil {
		t.Fatalf("the engine refuses the node: %v", err)
	}
	spec := s.node.Spec()
	if spec.Title == "" {
		t.Errorf("Spec.Title is empty: nobody finds the node in a list")
	}
	first, err := json.Marshal(spec)
	if err != nil {
		t.Fatalf("the spec cannot be written as JSON: %v", err)
	}
	if second, err := json.Marshal(s.node.Spec()); err != nil || !bytes.Equal(first, second) {
		t.Errorf("two calls of Spec differ:\n%s\n%s\n%v", first, second, err)
	}
	for _, path := range spec.Expressions {
		if !declares(spec.Config, strings.Split(path, ".")) {
			t.Errorf("Spec.Expressions names %q, which the schema does not have", path)
		}
	}
	if len(s.cases.Calls) == 0 {
		t.Errorf("there are no calls to make")
	}
	for name, c := range s.cases.Calls {
		s.fits(t, name, c)
	}
	if s.cases.Slow != nil {
		s.fits(t, "slow", *s.cases.Slow)
	}
}

// declares reports whether a schema has the property at a path, below arrays too.
func declares(schema *jsonschema.Schema, path []string) bool {
	for schema != nil && schema.Items != nil {
		schema = schema.Items
	}
	if len(path) == 0 || schema == nil {
		return schema != nil
	}
	return declares(schema.Properties[path[0]], path[1:])
}

// fits checks that the configuration of a call which is to succeed could have been
// saved, and that its ports are sound.
func (s *suite) fits(t testing.TB, name string, c Call) {
	if c.Kind != "" {
		return
	}
	if schema := s.node.Spec().Config; schema != nil {
		resolved, err := schema.Resolve(nil)
		if err == nil {
			err = resolved.Validate(plain(t, name+": the configuration", c.Config))
		}
		if err != nil {
			t.Errorf("%s: the configuration does not fit the schema: %v", name, err)
		}
	}
	if checker, ok := s.node.(workflow.Checker); ok {
		if err := checker.Check(copied(c.Config)); err != nil {
			t.Errorf("%s: Check refuses the configuration: %v", name, err)
		}
	}
	ports := s.ports(c.Config)
	if again := s.ports(c.Config); !slices.Equal(ports, again) {
		t.Errorf("%s: two calls of Ports differ: %v and %v", name, ports, again)
	}
	for i, port := range ports {
		if port == "" || port == workflow.PortError || slices.Contains(ports[:i], port) {
			t.Errorf("%s: port %q of %v is not a name of its own, other than error", name, port, ports)
		}
	}
}

// ports are those that the node has with a configuration.
func (s *suite) ports(config map[string]any) []string {
	if p, ok := s.node.(workflow.Porter); ok {
		return p.Ports(copied(config))
	}
	if ports := s.node.Spec().Ports; len(ports) > 0 {
		return ports
	}
	return []string{workflow.PortSuccess}
}

// drafts checks that the node bears any configuration: a draft is saved before it
// is right, and its ports and faults are asked for all the same.
func (s *suite) drafts(t testing.TB) {
	for _, config := range s.garbage() {
		if fault := s.bear(config); fault != "" {
			t.Errorf("configuration %v: %s", config, fault)
		}
	}
}

// garbage are configurations with something of the wrong type in them.
func (s *suite) garbage() []map[string]any {
	list := []map[string]any{nil, {}, {"nobodyDeclaresThis": 1}}
	names := map[string]bool{}
	if schema := s.node.Spec().Config; schema != nil {
		for name := range schema.Properties {
			names[name] = true
		}
	}
	for _, c := range s.cases.Calls {
		for name := range c.Config {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, v := range []any{nil, true, -1.5, "", "{{ x }}", []any{}, []any{nil}, []any{map[string]any{}}, map[string]any{}, map[string]any{"a": []any{1.0}}} {
			list = append(list, map[string]any{name: v})
			for _, c := range s.cases.Calls {
				config := copied(c.Config)
				if config == nil {
					config = map[string]any{}
				}
				config[name] = v
				list = append(list, config)
			}
		}
	}
	return list
}

// bear calls whatever looks at drafts and says what is wrong with the answer.
func (s *suite) bear(config map[string]any) (fault string) {
	defer func() {
		if r := recover(); r != nil {
			fault = fmt.Sprintf("panic: %v", r)
		}
	}()
	s.ports(config)
	if g, ok := s.node.(workflow.Granter); ok {
		g.Grants(copied(config))
	}
	if starter, ok := s.node.(workflow.Starter); ok {
		_, _ = starter.Input(copied(config), map[string]any{"a": 1})
	}
	if c, ok := s.node.(workflow.Checker); ok {
		if err := c.Check(copied(config)); err != nil && !problem.Is(err, problem.Invalid) {
			return fmt.Sprintf("Check gives %v, which is not Invalid", err)
		}
	}
	return ""
}
