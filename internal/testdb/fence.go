package testdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/tenantid"
)

// Reporter is told of each statement that climbs the tenant fence. A test is
// one.
type Reporter interface {
	Errorf(format string, args ...any)
}

// fence checks statements (security.md, case H3). Each table of tenants that one
// reads or writes must be bound to a tenant: by a condition that limits its rows, or,
// when they are inserted, by the value given; a table may be bound by another one that
// is. When the call is made in a tenant, every such value must be that tenant.
type fence struct {
	report Reporter
	tables map[string]tenantTable
}

// tenantTable is a table whose rows belong to tenants.
type tenantTable struct {
	key        string // the column that says to which
	mayBeEmpty bool   // it may be "", for what belongs to no tenant
}

const tenantColumn = "tenant_id"

func newFence(report Reporter) *fence { return &fence{report: report, tables: tenantTables()} }

// tenantTables derives the tables of tenants from the migrations.
var tenantTables = sync.OnceValue(func() map[string]tenantTable {
	all, err := (&store.DB{Dialect: store.PostgreSQL}).Migrations()
	if err != nil {
		panic(err) // the files are embedded: this build is broken
	}
	tables := map[string]tenantTable{"jet_tenant": {key: "id"}}
	for _, m := range all {
		for _, table := range tableSQL.FindAllStringSubmatch(m.Up, -1) {
			if column := tenantSQL.FindStringSubmatch(table[2]); column != nil {
				tables[table[1]] = tenantTable{tenantColumn, column[1] == "text"} // a uuid is never empty
			}
		}
	}
	return tables
})

var (
	tableSQL  = regexp.MustCompile(`(?s)CREATE TABLE \?schema\.(\w+) \((.*?)\n\);`)
	tenantSQL = regexp.MustCompile(`\n\s*tenant_id\s+(\w+)`)
	acrossSQL = regexp.MustCompile(`(?s)^across tenants: *\S`)
)

func (f *fence) check(ctx context.Context, query string, args []driver.NamedValue) {
	st := scan(query)
	for _, fault := range f.faults(st, tenantid.FromContext(ctx), bound(args)) {
		f.report.Errorf("tenant fence: %s\n\t%s", fault, st.template())
	}
}

// bound are the arguments by the number of their placeholder.
func bound(args []driver.NamedValue) []any {
	values := make([]any, 0, len(args))
	for _, a := range args {
		switch a.Value.(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats:
			// pgx takes options in front of the arguments.
		default:
			values = append(values, a.Value)
		}
	}
	return values
}

// faults judges a text of one or more statements.
func (f *fence) faults(st statementText, tenant string, args []any) []string {
	var faults []string
	for from := 0; from < len(st.tokens); {
		to := from
		for to < len(st.tokens) && !(st.tokens[to].text == ";" && st.tokens[to].kind == symbol) {
			to++
		}
		if !st.across(from, to) {
			s := statement{text: st, from: from, to: to, args: args}
			faults = append(faults, f.fault(s, tenant)...)
		}
		from = to + 1
	}
	return faults
}

// across reports whether a statement says that it is about all tenants, and why.
func (t statementText) across(from, to int) bool {
	return slices.ContainsFunc(t.comments, func(c comment) bool {
		return c.before >= from && c.before <= to && acrossSQL.MatchString(c.text)
	})
}

func (f *fence) fault(s statement, tenant string) []string {
	if s.definesSchema() {
		return nil
	}
	if s.isOdd() {
		return []string{"the databases read these quotes or comments in different ways"}
	}
	j := judge{statement: s, tables: f.tables, known: map[int]bool{}}
	j.query(span{s.from, s.to}, nil)
	mayBeEmpty := true
	for i := s.from; i < s.to; i++ {
		table, ours := f.tables[s.word(i)]
		if !ours || s.is(i+1, ".") {
			continue // of another table, or the name in front of a column
		}
		mayBeEmpty = mayBeEmpty && table.mayBeEmpty
		if !j.known[i] {
			j.faults = append(j.faults, s.word(i)+" is named where the fence does not see what happens to it")
		}
	}
	values := s.mentioned(tenantColumn)
	for _, v := range j.values {
		if value, known, _ := s.literal(v.from); known {
			values = append(values, value)
		}
	}
	for _, value := range values {
		if tenant != "" && value != tenant && (value != "" || !mayBeEmpty) {
			j.faults = append(j.faults, fmt.Sprintf("a tenant is %q, the caller's is %q", value, tenant))
			break
		}
	}
	return j.faults
}

// isOdd reports whether the statement has a string with escapes, or a comment in a
// comment: only PostgreSQL reads these.
func (s statement) isOdd() bool {
	for i := s.from; i < s.to; i++ {
		if s.at(i).kind == text && s.keyword(i-1, "e") {
			return true
		}
	}
	return slices.ContainsFunc(s.text.comments, func(c comment) bool { return strings.Contains(c.text, "/*") })
}

// definesSchema reports whether the statement is about tables and not about rows.
func (s statement) definesSchema() bool {
	switch s.word(s.from) {
	case "create", "drop", "alter", "pragma", "comment", "analyze", "vacuum":
		return s.find(span{s.from, s.to}, "select") == s.to
	}
	return false
}

// literal is the text of a value at i: a string, or the string bound to a
// placeholder. ok is false for anything that is not a value; a value of another
// type than string has an unknown text, known is false.
func (s statement) literal(i int) (value string, known, ok bool) {
	switch t := s.at(i); t.kind {
	case text:
		return t.text, true, true
	case placeholder:
		return s.argument(t.text)
	}
	return "", false, false
}

func (s statement) argument(number string) (value string, known, ok bool) {
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil || n < 1 || n > len(s.args) {
		return "", false, true
	}
	switch v := s.args[n-1].(type) {
	case string:
		return v, true, true
	case []byte:
		return string(v), true, true
	case fmt.Stringer:
		return v.String(), true, true
	}
	return "", false, true
}
