package datasource

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Spec describes a type of datasource to forms and to the service.
type Spec struct {
	Type        string `json:"type"`  // the stable name, e.g. "postgres"
	Title       string `json:"title"` // e.g. "PostgreSQL"
	Description string `json:"description,omitempty"`

	// Fields are all the settings there are: what is not declared cannot be set.
	Fields []Field `json:"fields"`

	// Operation is the JSON schema of what a query of this type saves.
	Operation json.RawMessage `json:"operation"`

	Abilities Abilities `json:"abilities"`
}

// Abilities says what connections of a type can do beside reading.
type Abilities struct {
	Exec       bool `json:"exec"`       // its Conn is an Execer
	Introspect bool `json:"introspect"` // its Conn is an Introspector
}

// FieldType is the type of a setting.
type FieldType string

// The types of settings.
const (
	FieldString  FieldType = "string"
	FieldInteger FieldType = "integer"
	FieldBoolean FieldType = "boolean"
	FieldMap     FieldType = "map"  // names to strings, e.g. HTTP headers
	FieldText    FieldType = "text" // a string of several lines, e.g. a certificate
)

// Field is one setting.
type Field struct {
	Name        string    `json:"name"`
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"`
	Type        FieldType `json:"type"`
	Required    bool      `json:"required"`

	// Secret fields are strings, sealed at rest and never shown.
	Secret bool `json:"secret"`

	// Target fields say where the secrets are sent. When one changes, the stored
	// secrets are forgotten and must be entered again.
	Target bool `json:"target"`

	Enum    []string `json:"enum,omitempty"`    // the only values of a string field
	Default any      `json:"default,omitempty"` // used when there is no value: string, int64 or bool
	Min     int64    `json:"min,omitempty"`     // with Max: the bounds of an integer field
	Max     int64    `json:"max,omitempty"`     // 0 = no bounds
}

func (s Spec) field(name string) (Field, bool) {
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s.Fields[i], true
}

// Validate reports what a spec lacks. The service refuses a connector whose
// spec is not valid.
func (s Spec) Validate() error {
	if s.Type == "" || s.Title == "" {
		return errors.New("a connector needs a type and a title")
	}
	if !json.Valid(s.Operation) {
		return fmt.Errorf("connector %q: the schema of its operation is not JSON", s.Type)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields {
		if err := f.validate(); err != nil {
			return fmt.Errorf("connector %q, field %q: %w", s.Type, f.Name, err)
		}
		if seen[f.Name] {
			return fmt.Errorf("connector %q declares the field %q twice", s.Type, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

func (f Field) validate() error {
	switch {
	case f.Name == "" || f.Title == "":
		return errors.New("needs a name and a title")
	case !slices.Contains([]FieldType{FieldString, FieldInteger, FieldBoolean, FieldMap, FieldText}, f.Type):
		return errors.New("has an unknown type")
	case f.Secret && (f.Type != FieldString || f.Default != nil || f.Target || len(f.Enum) > 0):
		return errors.New("is secret, so it is a string without default and enum, and no target")
	case f.Default != nil:
		if _, message := f.value(f.Default); message != "" {
			return errors.New("has a default that " + message)
		}
	}
	return nil
}
