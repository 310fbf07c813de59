package datasource

import "time"

// The limits of a schema, for connectors.
const (
	MaxTables  = 2000
	MaxColumns = 50_000
)

// Schema is what a datasource holds, as far as its account may see it.
type Schema struct {
	Tables    []Table `json:"tables"`
	Truncated bool    `json:"truncated"` // there are more than the limits allow

	// ReadAt is when the datasource was asked; the service sets it.
	ReadAt time.Time `json:"readAt"`
}

// Table is a table, view or the like.
type Table struct {
	Schema      string        `json:"schema,omitempty"`
	Name        string        `json:"name"`
	Kind        string        `json:"kind"` // "table", "view", or what the datasource has instead: "query", "type", "hash"
	Columns     []TableColumn `json:"columns"`
	ForeignKeys []ForeignKey  `json:"foreignKeys,omitempty"`
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name       string `json:"name"`
	Type       string `json:"type"` // in the words of the datasource
	Nullable   bool   `json:"nullable"`
	PrimaryKey bool   `json:"primaryKey"`
}

// ForeignKey says that columns of a table refer to another table.
type ForeignKey struct {
	Columns    []string `json:"columns"`
	Schema     string   `json:"schema,omitempty"`
	Table      string   `json:"table"`
	References []string `json:"references"`
}
