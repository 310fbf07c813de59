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

// plain is an object as it comes back from JSON.
func plain(t testing.TB, what string, object map[string]any) map[string]any {
	b, err := json.Marshal(object)
	m := map[string]any{}
	if err == nil && object != nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		t.Fatalf("%s is not JSON: %v", what, err)
	}
	return m
}
