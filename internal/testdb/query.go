package testdb

import (
	"fmt"
	"slices"
)

// judge reads one statement and says which of its tables are bound to no tenant. It
// knows as much of SQL as the statements of this code base need, and refuses what it
// cannot tell: a table that it has not understood counts as not bound.
type judge struct {
	statement
	tables map[string]tenantTable
	known  map[int]bool // the names of tables and the queries that were read, by their tokens
	values []span       // that stand for tenants
	faults []string
}

// source is what a query reads from or writes to.
type source struct {
	name    string // by which columns name it
	table   string // "" when it is a query or a function
	key     string // the column with the tenant, of a table that is fenced
	bound   bool   // its key is that of one tenant
	columns []column
}

// column is what a query gives.
type column struct {
	name   string // "" = not known, "*" = any number of them
	bound  bool   // it is the tenant of a source that is bound, or a value
	values []span
}

// scope is what the names in a query mean.
type scope struct {
	outer   *scope
	sources []*source
	queries map[string][]column // those of a WITH
}

// condition says which sources it limits; nil = all of the query.
type condition struct {
	span
	limits func(*source) bool
}

// query judges a query with its WITH and UNIONs, and returns what it gives.
func (j *judge) query(p span, outer *scope) (columns []column) {
	sc := &scope{outer: outer, queries: map[string][]column{}}
	p.from = j.with(p, sc)
	parts := j.split(p, func(i int) bool { return j.keyword(i, "union", "intersect", "except") })
	for n, part := range parts {
		if j.keyword(part.from, "all", "distinct") {
			part.from++
		}
		given := j.part(part, sc)
		if n == 0 {
			columns = given
			continue
		}
		columns = both(columns, given)
	}
	return columns
}

// both are the columns of a UNION: bound when they are in either query.
func both(a, b []column) []column {
	any := func(c column) bool { return c.name == "*" }
	alike := len(a) == len(b) && !slices.ContainsFunc(a, any) && !slices.ContainsFunc(b, any)
	result := slices.Clone(a)
	for i := range result {
		result[i].bound = alike && a[i].bound && b[i].bound
		if result[i].bound {
			result[i].values = slices.Concat(a[i].values, b[i].values)
		}
	}
	return result
}

// with reads the queries of a WITH and returns where the query itself begins.
func (j *judge) with(p span, sc *scope) int {
	if !j.keyword(p.from, "with") {
		return p.from
	}
	i := p.from + 1
	if j.keyword(i, "recursive") {
		i++
	}
	for i < p.to {
		name, names := j.word(i), []string(nil)
		i++
		if j.is(i, "(") {
			names = j.names(j.inside(i))
			i = j.closing(i) + 1
		}
		i = j.skip(i, "as", "not", "materialized")
		if name == "" || !j.is(i, "(") {
			return p.to
		}
		sc.queries[name] = nil // to itself it is bound to nothing
		sc.queries[name] = renamed(j.read(i, sc), names)
		i = j.closing(i) + 1
		if !j.is(i, ",") {
			return i
		}
		i++
	}
	return i
}

func (j *judge) skip(i int, words ...string) int {
	for j.keyword(i, words...) {
		i++
	}
	return i
}

func (j *judge) names(p span) (names []string) {
	for _, item := range j.list(p) {
		names = append(names, j.word(item.from))
	}
	return names
}

// renamed gives columns the names of a list behind an alias.
func renamed(columns []column, names []string) []column {
	if names == nil {
		return columns
	}
	result := make([]column, len(names))
	exact := len(columns) == len(names) && !slices.ContainsFunc(columns, func(c column) bool { return c.name == "*" })
	for i, name := range names {
		if exact {
			result[i] = columns[i]
		}
		result[i].name = name
	}
	return result
}

// read judges the query in the parenthesis at i.
func (j *judge) read(i int, outer *scope) []column {
	j.known[i] = true
	return j.query(j.inside(i), outer)
}

// part judges a query of its own.
func (j *judge) part(p span, outer *scope) []column {
	sc := &scope{outer: outer}
	switch {
	case j.is(p.from, "("):
		return j.read(p.from, outer)
	case j.keyword(p.from, "select"):
		return j.selects(p, sc)
	case j.keyword(p.from, "insert"):
		return j.inserts(p, sc)
	case j.keyword(p.from, "update"):
		return j.changes(p, sc, "from", "only")
	case j.keyword(p.from, "delete"):
		return j.changes(p, sc, "using", "from", "only")
	case j.keyword(p.from, "values"):
		j.subqueries(p, sc)
	}
	return nil
}

// afterWhere begin what is behind the condition of a query.
var afterWhere = []string{"group", "having", "window", "order", "limit", "offset", "fetch", "for", "returning"}

// clause is what stands behind a keyword, up to the next of the words.
func (j *judge) clause(p span, keyword string, ends ...string) span {
	start := j.find(p, keyword)
	if start == p.to {
		return span{p.to, p.to}
	}
	return span{start + 1, j.find(span{start + 1, p.to}, ends...)}
}

func (j *judge) selects(p span, sc *scope) []column {
	var conditions []condition
	if from := j.clause(p, "from", append(afterWhere, "where")...); !j.empty(from) {
		conditions = j.froms(from, "", sc)
	}
	conditions = append(conditions, condition{span: j.clause(p, "where", afterWhere...)})
	j.bind(conditions, sc)
	j.subqueries(p, sc)
	list := span{j.skip(p.from+1, "all", "distinct"), j.find(p, append(afterWhere, "from", "where")...)}
	if j.keyword(list.from, "on") { // DISTINCT ON (…)
		list.from = j.closing(list.from+1) + 1
	}
	return j.gives(list, sc)
}

// changes judges UPDATE and DELETE: words may stand before the table, and the word others
// before the tables that it is joined with.
func (j *judge) changes(p span, sc *scope, others string, words ...string) []column {
	_, next := j.source(j.skip(p.from+1, words...), p.to, sc)
	rest := span{next, p.to}
	conditions := []condition{}
	if joined := j.clause(rest, others, append(afterWhere, "where")...); !j.empty(joined) {
		conditions = j.froms(joined, "", sc)
	}
	conditions = append(conditions, condition{span: j.clause(rest, "where", afterWhere...)})
	j.bind(conditions, sc)
	j.subqueries(p, sc)
	return j.gives(j.clause(rest, "returning"), sc)
}

// inserts judges INSERT INTO table (columns) VALUES … or SELECT …: the tenant is
// given, and a row that is there already, and updated, is of the same.
func (j *judge) inserts(p span, sc *scope) []column {
	i := p.from + 1
	if j.keyword(i, "or") && j.keyword(i+1, "ignore") {
		i += 2
	}
	if !j.keyword(i, "into") {
		return nil // OR REPLACE removes whatever is in the way
	}
	target, i := j.source(i+1, p.to, sc)
	if target == nil {
		return nil
	}
	var names []string
	if j.is(i, "(") && !j.keyword(i+1, "select", "with") {
		names = j.names(j.inside(i))
		i = j.closing(i) + 1
	}
	rest := span{i, p.to}
	end := rest.from
	for ; end < p.to; end++ {
		if j.at(end).group == j.at(p.from).group && (j.keyword(end, "returning") || j.keyword(end, "on") && j.keyword(end+1, "conflict")) {
			break
		}
	}
	key := slices.Index(names, target.key)
	given := j.given(span{rest.from, end}, key, sc.outer)
	if target.key != "" && !given.bound {
		j.fault(target)
	}
	j.values = append(j.values, given.values...)
	tail := span{end, p.to}
	target.bound = true
	if update := j.find(tail, "do"); j.keyword(update+1, "update") {
		of := j.find(tail, "conflict") + 1
		target.bound = j.is(of, "(") && slices.Contains(j.names(j.inside(of)), target.key)
		sc.sources = append(sc.sources, &source{name: "excluded", columns: []column{{name: target.key, bound: true}}})
		j.bind([]condition{{span: j.clause(span{update, p.to}, "where", afterWhere...)}}, sc)
	}
	j.subqueries(tail, sc)
	return j.gives(j.clause(tail, "returning"), sc)
}

// given is the column of a number of what an INSERT gives.
func (j *judge) given(p span, index int, outer *scope) (c column) {
	if !j.keyword(p.from, "values") {
		columns := j.query(p, outer)
		for i, col := range columns {
			if col.name == "*" {
				break // it may be any
			}
			if i == index {
				c = col
			}
		}
		return c
	}
	j.subqueries(p, outer)
	c.bound = index >= 0
	for i := p.from + 1; j.is(i, "("); i += 2 {
		row := j.list(j.inside(i))
		if index < 0 || index >= len(row) {
			return column{}
		}
		value, ok := j.operand(row[index])
		c.bound = c.bound && ok && value.isValue()
		c.values = append(c.values, value.values...)
		i = j.closing(i)
	}
	return c
}

// joins are the words between two sources of a FROM.
var joins = []string{"natural", "inner", "cross", "left", "right", "full", "outer", "join"}

func (j *judge) isJoin(i int) bool { return j.keyword(i, joins...) && !j.is(i+1, "(") }

// froms reads the sources of a FROM, and the conditions of its joins.
func (j *judge) froms(p span, kind string, sc *scope) (conditions []condition) {
	group := j.at(p.from).group
	for i := p.from; i < p.to; {
		before := len(sc.sources)
		right, next := j.source(i, p.to, sc)
		if right == nil {
			return conditions
		}
		if i = next; j.keyword(i, "on") {
			end := i + 1
			for end < p.to && !(j.at(end).group == group && (j.is(end, ",") || j.isJoin(end))) {
				end++
			}
			conditions = append(conditions, condition{span{i + 1, end}, limited(kind, sc.sources[:before], right)})
			i = end
		} else if j.keyword(i, "using") && j.is(i+1, "(") {
			i = j.closing(i+1) + 1
		}
		if j.is(i, ",") {
			kind = ""
			i++
			continue
		}
		kind = ""
		from := i
		for ; j.isJoin(i); i++ {
			if j.keyword(i, "left", "right", "full") {
				kind = j.word(i)
			}
		}
		if i == from {
			return conditions
		}
	}
	return conditions
}

// limited says which sources the condition of a join limits: of an outer join not
// those whose rows are kept without a match.
func limited(kind string, left []*source, right *source) func(*source) bool {
	left = slices.Clone(left)
	switch kind {
	case "left":
		return func(s *source) bool { return s == right }
	case "right":
		return func(s *source) bool { return slices.Contains(left, s) }
	case "full":
		return func(*source) bool { return false }
	}
	return nil
}

// noAlias are words that may follow a source.
var noAlias = append(append([]string{"on", "using", "set", "where", "values", "select", "with", "default", "indexed", "not", "union", "intersect", "except", "do", "as"},
	joins...), afterWhere...)

// source reads a table, a query or a function with its alias, adds it to the scope
// and returns what follows.
func (j *judge) source(i, to int, sc *scope) (*source, int) {
	s := &source{}
	switch {
	case j.is(i, "("):
		if !j.keyword(i+1, "select", "with", "values") {
			return nil, i
		}
		s.columns = j.read(i, sc.outer)
		i = j.closing(i) + 1
	case j.word(i) == "" || i >= to:
		return nil, i
	default:
		for j.is(i+1, ".") {
			i += 2
		}
		i = j.named(i, s, sc)
	}
	i = j.alias(i, s)
	sc.sources = append(sc.sources, s)
	return s, i
}

// named is a source by the name at i.
func (j *judge) named(i int, s *source, sc *scope) int {
	s.name = j.word(i)
	if j.is(i+1, "(") && !j.keyword(i-1, "into") && j.tables[s.name].key == "" && !j.inserting(i) {
		s.columns = []column{{name: s.name}} // a function
		return j.closing(i+1) + 1
	}
	if columns, ok := sc.query(s.name); ok && !j.is(i-1, ".") {
		s.columns = columns
		return i + 1
	}
	s.table, s.key = s.name, j.tables[s.name].key
	j.known[i] = true
	return i + 1
}

// inserting reports whether the name at i is the target of an INSERT.
func (j *judge) inserting(i int) bool {
	for j.is(i-1, ".") {
		i -= 2
	}
	return j.keyword(i-1, "into")
}

func (sc *scope) query(name string) (columns []column, ok bool) {
	for ; sc != nil; sc = sc.outer {
		if columns, ok = sc.queries[name]; ok {
			return columns, true
		}
	}
	return nil, false
}

func (j *judge) alias(i int, s *source) int {
	if j.keyword(i, "with") && j.keyword(i+1, "ordinality") {
		i += 2
	}
	as := j.keyword(i, "as")
	if as {
		i++
	}
	if word := j.word(i); word != "" && (as || !j.keyword(i, noAlias...)) {
		s.name = word
		i++
		if j.is(i, "(") && s.table == "" {
			s.columns = renamed(s.columns, j.names(j.inside(i)))
			i = j.closing(i) + 1
		}
	}
	if j.keyword(i, "indexed") {
		i += 3
	} else if j.keyword(i, "not") && j.keyword(i+1, "indexed") {
		i += 2
	}
	return i
}

// bind finds the sources that conditions limit to one tenant, by a value or by a
// source that is bound already, and complains of the others.
func (j *judge) bind(conditions []condition, sc *scope) {
	type limit struct {
		of *source
		by operand
	}
	var limits []limit
	for _, c := range conditions {
		for _, e := range j.equalities(c.span) {
			for _, sides := range [][2]operand{{e.left, e.right}, {e.right, e.left}} {
				s := sc.find(sides[0])
				if s != nil && s.key == sides[0].column && slices.Contains(sc.sources, s) && (c.limits == nil || c.limits(s)) {
					limits = append(limits, limit{s, sides[1]})
				}
			}
		}
	}
	for again := true; again; {
		again = false
		for _, l := range limits {
			if !l.of.bound && sc.isBound(l.by) {
				l.of.bound, again = true, true
			}
		}
	}
	for _, l := range limits {
		j.values = append(j.values, sc.valuesOf(l.by)...)
	}
	for _, s := range sc.sources {
		if s.key != "" && !s.bound {
			j.fault(s)
		}
	}
}

func (j *judge) fault(s *source) {
	j.faults = append(j.faults, fmt.Sprintf("%s is bound to no tenant: its %s is not compared with a value where that limits the rows", s.table, s.key))
}

// isBound reports whether an operand is a value, or the tenant of a bound source.
func (sc *scope) isBound(o operand) bool {
	if o.isValue() {
		return true
	}
	s := sc.find(o)
	switch {
	case s == nil:
		return false
	case s.key != "":
		return s.bound && s.key == o.column
	}
	c, ok := s.column(o.column)
	return ok && c.bound
}

// valuesOf are the values that an operand stands for, as far as they are in the text.
func (sc *scope) valuesOf(o operand) []span {
	if s := sc.find(o); s != nil {
		c, _ := s.column(o.column)
		return c.values
	}
	return o.values
}

func (s *source) column(name string) (c column, ok bool) {
	for _, col := range s.columns {
		if col.name == name {
			if ok {
				return column{}, false
			}
			c, ok = col, true
		}
	}
	return c, ok
}

// find is the source of a column, from the inside outwards; nil when that is not
// clear.
func (sc *scope) find(o operand) *source {
	if o.isValue() {
		return nil
	}
	for ; sc != nil; sc = sc.outer {
		var found []*source
		for _, s := range sc.sources {
			if o.source != "" && s.name == o.source || o.source == "" && s.mayHave(o.column) {
				found = append(found, s)
			}
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0]
		}
		return nil
	}
	return nil
}

// mayHave reports whether a source may have a column of the name. A table that is not
// fenced has none for the tenant.
func (s *source) mayHave(name string) bool {
	switch {
	case s.table == "":
		return slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name || c.name == "" || c.name == "*" })
	case name == tenantColumn:
		return s.key == name
	}
	return true
}

// subqueries judges the queries in the expressions of a part.
func (j *judge) subqueries(p span, sc *scope) {
	for i := p.from; i < p.to; i++ {
		if !j.is(i, "(") || !j.keyword(i+1, "select", "with", "values") {
			continue
		}
		if !j.known[i] {
			j.read(i, sc)
		}
		i = j.closing(i)
	}
}

// gives are the columns of a SELECT or RETURNING.
func (j *judge) gives(p span, sc *scope) (columns []column) {
	if j.empty(p) {
		return nil
	}
	for _, item := range j.list(p) {
		if j.is(item.to-1, "*") {
			columns = append(columns, j.all(item, sc)...)
			continue
		}
		columns = append(columns, j.gift(item, sc))
	}
	return columns
}

// all are the columns of * and x.*.
func (j *judge) all(item span, sc *scope) (columns []column) {
	of := ""
	if j.is(item.to-2, ".") {
		of = j.word(item.to - 3)
	}
	for _, s := range sc.sources {
		switch {
		case of != "" && s.name != of:
		case s.table == "":
			columns = append(columns, s.columns...)
		default:
			columns = append(columns, column{name: "*"})
			if s.key != "" {
				columns = append(columns, column{name: s.key, bound: s.bound})
			}
		}
	}
	return columns
}

func (j *judge) gift(item span, sc *scope) (c column) {
	expression := item
	if j.word(item.to-1) != "" && !j.is(item.to-2, ".") && item.to-item.from > 1 {
		c.name = j.word(item.to - 1)
		expression.to--
		if j.keyword(expression.to-1, "as") {
			expression.to--
		}
	}
	o, ok := j.operand(expression)
	if !ok {
		return c
	}
	if c.name == "" {
		c.name = o.column
	}
	c.bound, c.values = sc.isBound(o), o.values
	return c
}
