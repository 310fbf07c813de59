package datasource

import (
	"context"
	"encoding/json"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/internal/secret"
)

// Connector knows one type of datasource. It is safe for concurrent use. It may
// also be a [SettingsChecker] and a [Prober].
type Connector interface {
	// Spec describes the type. It returns the same at each call.
	Spec() Spec

	// Parse checks a saved operation and makes it ready to be run. All that is
	// wrong is one Invalid error with paths below the operation. No I/O.
	Parse(operation json.RawMessage) (Operation, error)

	// Open makes the connection that the settings describe, or a pool that will.
	// The service calls it once and shares the Conn. Settings have passed the
	// declared fields. An error is a problem.Error; any other is shown to nobody.
	Open(ctx context.Context, s Settings) (Conn, error)
}

// Operation is what [Connector.Parse] makes of an operation, to be given back to
// the same connector in a [Statement]. It is immutable. It may be a [NameTaker] and
// [Passing].
type Operation interface {
	// Placeholders lists the parameters that the operation uses, the trusted ones
	// (see Trusted in package template) among them.
	Placeholders() []string
}

// NameTaker is an Operation that can put a name in the place of a parameter, as
// those of package template do for SQL. Without it a query can have no parameters of the
// types identifier and direction. Outside reports whether a parameter is used outside of
// the optional blocks, where there has to be a name.
type NameTaker interface {
	Outside(name string) bool
}

// Passing is an Operation that can say that its answer is only good for a while, as
// a signed URL is: its results are not kept for others.
type Passing interface {
	Passes() bool
}

// Conn is an open datasource. It is safe for concurrent use and keeps the number
// of its connections to the other side bounded. It may also be an [Execer], an
// [Introspector] and an [Explainer]; a Spec says which.
//
// What it answers depends on nothing but the settings it was opened with and the
// statement: callers who ask the same share an answer, and no context that it gets
// has a principal.
type Conn interface {
	// Ping asks the other side for a sign of life.
	Ping(ctx context.Context) error

	// Query runs a statement that must not change anything on the other side:
	// the connector has the other side refuse it, not a parser. When ctx ends,
	// the statement ends on the other side too, within 2 s.
	//
	// An error about the statement itself is a *StatementError.
	Query(ctx context.Context, s Statement) (Rows, error)

	// Close ends all connections. The service calls it when no other call is under
	// way; calls after it fail.
	Close() error
}

// Execer is a Conn that can write.
type Execer interface {
	// Exec runs a statement to its end and keeps what it changed. The rows that
	// it gives back were read before Exec returns, as far as s.MaxRows and
	// s.MaxBytes allow.
	Exec(ctx context.Context, s Statement) (Rows, error)
}

// Introspector is a Conn that knows what it holds.
type Introspector interface {
	Introspect(ctx context.Context) (Schema, error)
}

// SettingsChecker is a Connector whose settings have rules beyond those of the
// declared fields. It does no I/O on the network; faults have the paths
// "settings.<field>" and "secrets.<field>".
type SettingsChecker interface {
	CheckSettings(s Settings) error
}

// Prober is a Connector that tests a connection in steps of its own. Without it
// the steps are "open" and "ping".
type Prober interface {
	// Probe calls step for each step in order and stops at the first that fails.
	Probe(ctx context.Context, s Settings, step func(Step))
}

// Statement is one run of an operation.
type Statement struct {
	Operation Operation

	// Params holds a value for each placeholder:
	//
	//	string, uuid      string
	//	integer           int64
	//	number            json.Number
	//	boolean           bool
	//	date              Date
	//	timestamp         time.Time, UTC
	//	json              json.RawMessage
	//	identifier        template.Identifier
	//	direction         template.Direction
	//	array of those    []any
	//	no value          nil
	//
	// A trusted value is a string, boolean, int64 or json.Number, or a list of
	// those.
	Params map[string]any

	MaxRows  int   // the reader takes at most this many rows and one more
	MaxBytes int64 // the most that one reply or one row may hold in memory
}

// Rows is an answer, read in order by one goroutine.
type Rows interface {
	// Columns is known before the first row.
	Columns() []Column

	// Next returns the next row, one value per column, or io.EOF. The values are
	// nil, bool, int64, uint64, float64, string, []byte, time.Time, [Date],
	// [Decimal], [JSON], and []any of those. The slice may be reused.
	Next() ([]any, error)

	// Close ends the reading. Before the end of the rows it stops the other side.
	Close() error
}

// Counter is a Rows that knows how many rows a statement changed.
type Counter interface{ Affected() int64 }

// Column is one column of an answer.
type Column struct {
	Name         string     `json:"name"`
	Type         ColumnType `json:"type"`
	DatabaseType string     `json:"databaseType"` // in the words of the datasource; "" when it has none
}

// ColumnType says what the values of a column are in JSON.
type ColumnType string

// The types of columns.
const (
	ColumnString    ColumnType = "string"
	ColumnInteger   ColumnType = "integer"   // a number; a string beyond ±(2^53-1)
	ColumnNumber    ColumnType = "number"    // a number; "NaN", "Infinity" and "-Infinity" as strings
	ColumnDecimal   ColumnType = "decimal"   // a string that keeps every digit
	ColumnBoolean   ColumnType = "boolean"   //
	ColumnDate      ColumnType = "date"      // a string, 2006-01-02
	ColumnTimestamp ColumnType = "timestamp" // a string, RFC 3339
	ColumnUUID      ColumnType = "uuid"      // a string
	ColumnBytes     ColumnType = "bytes"     // a string, base64
	ColumnJSON      ColumnType = "json"      // anything
	ColumnArray     ColumnType = "array"
	ColumnUnknown   ColumnType = "unknown" // the datasource does not say
)

// Date is a day without time and zone, as 2006-01-02.
type Date string

// Decimal is a number with all its digits, as the datasource writes it.
type Decimal string

// JSON is a JSON document inside of a row.
type JSON string

// Settings is what a connector opens a connection with: values of its declared
// fields and nothing else.
type Settings struct {
	TenantID string

	// Values holds a value for each field that has one: string, int64, bool or
	// map[string]string by the type of the field.
	Values map[string]any

	// Secrets holds the secret fields that are set.
	Secrets map[string]Secret

	// Egress is how the connector reaches the network, and the only way.
	Egress Egress
}

// Secret is the value of a secret field. However it is printed, logged or marshalled,
// it shows a mask; its method Reveal gives the value.
type Secret = secret.Text

// NewSecret hides a value, for tests of a connector.
func NewSecret(value string) Secret { return secret.NewText(value) }

// Egress makes connections and HTTP clients that reach public addresses only, and
// those that the host allows. The zero value allows no others.
type Egress = egress.Policy

// String is the value of a string or text field, "" when it has none.
func (s Settings) String(field string) string { v, _ := s.Values[field].(string); return v }

// Int is the value of an integer field, 0 when it has none.
func (s Settings) Int(field string) int64 { v, _ := s.Values[field].(int64); return v }

// Bool is the value of a boolean field, false when it has none.
func (s Settings) Bool(field string) bool { v, _ := s.Values[field].(bool); return v }

// Map is the value of a map field, nil when it has none.
func (s Settings) Map(field string) map[string]string {
	v, _ := s.Values[field].(map[string]string)
	return v
}

// Secret is the value of a secret field, empty when it is not set.
func (s Settings) Secret(field string) Secret { return s.Secrets[field] }
