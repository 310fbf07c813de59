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

// fence checks statements (security.md, case H3). One that touches the table of
// a tenant must compare its tenant_id with a value, or insert it; a second table
// may compare with the first. A comparison beside an OR does not count. When the
// call is made in a tenant, every such value must be that tenant.
type fence struct {
	report Reporter
	tables map[string]bool // tables with a tenant_id; true = it may be "", for what belongs to no tenant
}

// newFence derives the tables of tenants from the migrations.
func newFence(report Reporter) *fence { return &fence{report: report, tables: tenantTables()} }

var tenantTables = sync.OnceValue(func() map[string]bool {
	all, err := (&store.DB{Dialect: store.PostgreSQL}).Migrations()
	if err != nil {
		panic(err) // the files are embedded: this build is broken
	}
	tables := map[string]bool{}
	for _, m := range all {
		for _, table := range tableSQL.FindAllStringSubmatch(m.Up, -1) {
			if column := tenantSQL.FindStringSubmatch(table[2]); column != nil {
				tables[table[1]] = column[1] == "text" // a uuid is never empty
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
	if slices.ContainsFunc(st.comments, acrossSQL.MatchString) {
		return nil
	}
	var faults []string
	for from := 0; from < len(st.tokens); {
		to := from
		for to < len(st.tokens) && !(st.tokens[to].text == ";" && st.tokens[to].kind == symbol) {
			to++
		}
		s := statement{text: st, from: from, to: to, args: args}
		if fault := f.fault(s, tenant); fault != "" {
			faults = append(faults, fault)
		}
		from = to + 1
	}
	return faults
}

func (f *fence) fault(s statement, tenant string) string {
	if s.definesSchema() {
		return ""
	}
	var values []string
	var unbound []string // tables that need a comparison
	mayBeEmpty := true
	for i := s.from; i < s.to; i++ {
		empty, ours := f.tables[s.word(i)]
		if !ours || s.is(i+1, ".") {
			continue // of another table, or the name in front of a column
		}
		mayBeEmpty = mayBeEmpty && empty
		inserted, ok := s.inserted(i, "tenant_id")
		if !ok {
			unbound = append(unbound, s.word(i))
		}
		values = append(values, inserted...)
	}
	compared, withValues, withColumns := s.compared("tenant_id")
	if len(unbound) > 0 && (withValues == 0 || withValues+withColumns < len(unbound)) {
		return fmt.Sprintf("%s: %d tables of tenants, %d comparisons of tenant_id with a value, %d with another column",
			strings.Join(unbound, ", "), len(unbound), withValues, withColumns)
	}
	for _, value := range append(values, compared...) {
		if tenant != "" && value != tenant && (value != "" || !mayBeEmpty) {
			return fmt.Sprintf("a tenant_id is %q, the caller's tenant is %q", value, tenant)
		}
	}
	return ""
}

// definesSchema reports whether the statement is about tables and not about rows.
func (s statement) definesSchema() bool {
	switch s.word(s.from) {
	case "create", "drop", "alter", "pragma", "comment", "analyze", "vacuum":
		return true
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
