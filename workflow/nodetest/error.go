package nodetest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/problem"
)

func (s *suite) judgeError(t testing.TB, name string, c Call, err error) {
	switch {
	case c.Kind == "":
		t.Errorf("%s: %v", name, err)
	case problem.KindOf(err) != c.Kind:
		t.Errorf("%s: an error of kind %q, want %q: %v", name, problem.KindOf(err), c.Kind, err)
	}
	s.judgePublic(t, name, err)
}

// judgePublic checks what readers of the run see of an error. One that is not of
// package problem is shown as "the node failed", so there is nothing to see.
func (s *suite) judgePublic(t testing.TB, name string, err error) {
	p := problem.Of(err)
	if p.Message == "" || strings.ContainsAny(p.Message, "\r\n") {
		t.Errorf("%s: the error's message is not one line: %q", name, p.Message)
	}
	for _, secret := range s.cases.Secrets {
		shown := p.Message + p.Remedy + p.Code
		for _, f := range p.Faults {
			shown += f.Path + f.Message
		}
		if strings.Contains(shown, secret) {
			t.Errorf("%s: the error shows a secret", name)
		}
	}
}

// copied is a deep copy of what JSON can hold; other values are shared.
func copied(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	return deep(m).(map[string]any)
}

func deep(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, inner := range v {
			c[k] = deep(inner)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, inner := range v {
			c[i] = deep(inner)
		}
		return c
	}
	return v
}

// plain is a configuration as the schema library sees it.
func plain(t testing.TB, config map[string]any) map[string]any {
	b, err := json.Marshal(config)
	m := map[string]any{}
	if err == nil && config != nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		t.Fatalf("the configuration of a call is not JSON: %v", err)
	}
	return m
}
