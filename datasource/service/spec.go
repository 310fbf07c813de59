package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jetadmin/jetadmin/datasource"
)

// Spec describes a service. Strings that are called templates may hold
// {{ name }}, where name is a field of the datasource that is not secret, or a
// parameter of the operation.
type Spec struct {
	Type        string `json:"type"` // the stable name, e.g. "slack"
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`

	// BaseURL is an https URL (http for tests). Its host may be a template of
	// fields, which are targets then: "https://{{ host }}/rest".
	BaseURL string `json:"baseUrl"`

	// Fields are the settings of a datasource, the secrets of Auth among them.
	Fields []datasource.Field `json:"fields"`

	// Headers are templates of fields, sent with every request. One that is a
	// single placeholder is left out when its field has no value.
	Headers map[string]string `json:"headers,omitempty"`

	Auth       Auth        `json:"auth"`
	Failure    Failure     `json:"failure"`
	Operations []Operation `json:"operations"`

	// Ping names an operation that needs no parameters and changes nothing: it
	// shows that the credentials are good.
	Ping string `json:"ping"`
}

// The types of [Auth].
const (
	AuthBearer            = "bearer"            // Secret in the header Authorization
	AuthBasic             = "basic"             // Username and Secret
	AuthHeader            = "header"            // Secret in Header, behind Prefix
	AuthClientCredentials = "clientCredentials" // OAuth 2: Username and Secret are exchanged at TokenURL
	AuthServiceAccount    = "serviceAccount"    // Google: Secret is the JSON key of an account, exchanged at TokenURL
)

// Auth says how a service is shown who calls.
type Auth struct {
	Type     string `json:"type"`
	Secret   string `json:"secret"`             // name of a secret field
	Username string `json:"username,omitempty"` // name of a field
	Header   string `json:"header,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	TokenURL string `json:"tokenUrl,omitempty"`
	Scope    string `json:"scope,omitempty"`
}

// Failure says how a service refuses. A status other than 200 to 299 always does.
type Failure struct {
	// Unless is a JSON pointer: an answer that has something else than true there
	// is a refusal, whatever its status. "" = only the status counts.
	Unless string `json:"unless,omitempty"`

	// Message and Code are JSON pointers into the answer; the first that leads to
	// something counts. A list tells its first element, an object its first member.
	Message []string `json:"message,omitempty"`
	Code    []string `json:"code,omitempty"`
}

// Operation is one thing that a service can do.
type Operation struct {
	Name        string `json:"name"` // unique, e.g. "postMessage"
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`

	// Writes says that it changes something; such an operation needs a query that
	// is marked as writing. It must be so for PUT, PATCH and DELETE.
	Writes bool `json:"writes,omitempty"`

	Method  string            `json:"method,omitempty"` // default GET
	Path    string            `json:"path"`             // template, percent-encoded
	Query   map[string]string `json:"query,omitempty"`  // templates; null leaves one out, a list repeats it
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"` // JSON of templates; members that are null are left out
	Form    map[string]string `json:"form,omitempty"` // instead of Body; as Query, and "a[*]" takes an object apart

	Params []Param `json:"params,omitempty"`

	Rows  string `json:"rows,omitempty"`  // JSON pointer to the rows in the answer
	Table *Table `json:"table,omitempty"` // instead of Rows
}

// Param is a parameter of an operation.
type Param struct {
	datasource.Param

	// Each makes an object of each element of a list: with "email", ["a"] is
	// [{"email": "a"}] in the request.
	Each string `json:"each,omitempty"`
}

// Table reads an answer that has the names of its columns apart from its rows.
type Table struct {
	Rows   string  `json:"rows"` // JSON pointer to the list of rows; an answer without it has none
	Groups []Group `json:"groups"`
}

// Group is a part of the columns.
type Group struct {
	Headers string `json:"headers"`           // JSON pointer to the list of headers
	Name    string `json:"name"`              // JSON pointer from a header to its name
	Cells   string `json:"cells"`             // JSON pointer from a row to its list of cells
	Value   string `json:"value"`             // JSON pointer from a cell to its value
	Numbers bool   `json:"numbers,omitempty"` // values are numbers written as strings
}

// Parse reads a spec from JSON. What a spec does not have is an error; what is
// wrong with it otherwise, [New] tells.
func Parse(text []byte) (Spec, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	d.UseNumber()
	var s Spec
	if err := d.Decode(&s); err != nil {
		return Spec{}, fmt.Errorf("service: read a spec: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Spec{}, fmt.Errorf("service: the spec %q has more than one JSON value", s.Type)
	}
	return s, nil
}
