package datasource

import (
	"context"
	"encoding/json"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// MaxDescription is the length in bytes of a description of an API that can be
// imported.
const MaxDescription = 8 << 20

// Importer is a Connector that reads a description of an API, such as an OpenAPI
// document, and suggests queries from it. It does no I/O.
type Importer interface {
	// Import is TooLarge or Invalid for a document that it cannot read.
	Import(document []byte) (Import, error)
}

// Import is what a description of an API has to offer.
type Import struct {
	Title       string       `json:"title"`
	BaseURL     string       `json:"baseUrl,omitempty"` // where the description says that the API is
	Suggestions []Suggestion `json:"suggestions"`
	Skipped     []Skipped    `json:"skipped"`
	Truncated   bool         `json:"truncated"` // there is more than fits
}

// Suggestion is a query that could be saved.
type Suggestion struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Operation   json.RawMessage `json:"operation"`
	Params      []Param         `json:"params"`
	Writes      bool            `json:"writes"`
}

// Skipped is a part of a description that no query can be made of.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Suggest reads the description of an API for a type of datasource, see
// [Importer]; a type that reads none is a Conflict. Nothing is saved, and nothing
// that the document refers to is fetched. It needs query.create.
func (s *Service) Suggest(ctx context.Context, typeName string, document []byte) (Import, error) {
	if _, err := s.authorize(ctx, auth.QueryCreate, ""); err != nil {
		return Import{}, err
	}
	connector, err := s.connector(typeName)
	if err != nil {
		return Import{}, err
	}
	importer, ok := connector.(Importer)
	if !ok {
		return Import{}, problem.New(problem.Conflict, "import_unsupported", "this type of datasource reads no descriptions of APIs")
	}
	if len(document) > MaxDescription {
		return Import{}, problem.Newf(problem.TooLarge, "document_too_large", "the document is larger than %d bytes", MaxDescription)
	}
	var in Import
	if err := guard(func() error { in, err = importer.Import(document); return err }); err != nil {
		return Import{}, err
	}
	return in.checked(connector), nil
}

// checked keeps the suggestions that can be saved as they are.
func (in Import) checked(connector Connector) Import {
	out := Import{Title: in.Title, BaseURL: in.BaseURL, Suggestions: []Suggestion{}, Skipped: append([]Skipped{}, in.Skipped...), Truncated: in.Truncated}
	for _, suggestion := range in.Suggestions {
		var faults problem.Faults
		op, err := connector.Parse(suggestion.Operation)
		if err == nil {
			newRules(suggestion.Params, op.Placeholders(), &faults)
			err = faults.Err("query_invalid", "the query is not valid")
		}
		if err != nil {
			out.Skipped = append(out.Skipped, Skipped{suggestion.Name, "it would not be a valid query"})
			continue
		}
		out.Suggestions = append(out.Suggestions, suggestion)
	}
	return out
}
