package jetadmin_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// domains are the packages of the product. The root package alone knows them all.
var domains = []string{"tenancy", "auth", "rbac", "datasource", "workflow", "realtime", "dashboard", "assistant", "notify", "audit", "console", "upload"}

// importRules hold between the packages of the module, whose folders are from
// and to. Tests may import what they like.
var importRules = []struct {
	name, why string
	broken    func(from, to string) bool
}{
	{
		name: "domains stay apart",
		why:  "what one domain needs of another it gets as a function or a small interface in its Config, so that each can be understood, tested and replaced alone; only the vocabulary of auth and audit is shared",
		broken: func(from, to string) bool {
			a, b := top(from), top(to)
			return slices.Contains(domains, a) && slices.Contains(domains, b) && a != b && b != "auth" && b != "audit"
		},
	},
	{
		name:   "audit is below auth",
		why:    "auth records what it does, so audit must not need auth",
		broken: func(from, to string) bool { return top(from) == "audit" && top(to) == "auth" },
	},
	{
		name:   "problem is the lowest leaf",
		why:    "everybody imports it",
		broken: func(from, to string) bool { return from == "problem" },
	},
	{
		name: "leaves know no domain",
		why:  "a leaf is one idea that any domain can use",
		broken: func(from, to string) bool {
			leaf := within(from, "internal") && !within(from, "internal/api")
			return leaf && (to == "." || slices.Contains(domains, top(to)) || within(to, "internal/api"))
		},
	},
	{
		name:   "nobody calls back into HTTP",
		why:    "data flows one way: HTTP, sockets and engine call services; only the root wires internal/api",
		broken: func(from, to string) bool { return within(to, "internal/api") && from != "." && from != "internal/api" },
	},
	{
		name:   "nobody imports the root",
		why:    "it wires the others; only what stands in for a host may use it",
		broken: func(from, to string) bool { return to == "." && !within(from, "examples", "jetadmintest") },
	},
	{
		name: "connectors and nodes know no store",
		why:  "they see settings, statements and inputs, never the platform's own tables",
		broken: func(from, to string) bool {
			return within(from, "datasource", "workflow") && from != top(from) && to == "internal/store"
		},
	},
	{
		name: "test help stays in tests",
		why:  "a host must not compile servers and checks that only tests need",
		broken: func(from, to string) bool {
			return within(to, "internal/testdb", "internal/oidctest", "jetadmintest") && from != to
		},
	},
	{
		name: "examples are the outside",
		why:  "they show what a host can do with the public packages",
		broken: func(from, to string) bool {
			return within(to, "examples") != within(from, "examples") && (within(to, "examples") || within(to, "internal"))
		},
	},
}

// libraries may be imported only in the given places, so that the day one has to
// go, there is one place to change.
var libraries = []struct {
	path   string
	places []string
	why    string
}{
	{"github.com/casbin/casbin", []string{"rbac/enforcer.go"}, "a decision is ours, the matcher is theirs"},
	{"github.com/hibiken/asynq", []string{"workflow/queue_asynq.go"}, "it carries hints; SQL decides"},
	{"github.com/coder/websocket", []string{"realtime/conn.go", "realtime/liveclient"}, "the rules of a connection are in one file on each side"},
	{"github.com/danielgtaylor/huma", []string{"internal/api"}, "HTTP lives there alone"},
	{"github.com/expr-lang/expr", []string{"internal/expr"}, "budgets and names are set in one place"},
	{"github.com/tetratelabs/wazero", []string{"internal/sandbox"}, "scripts of users run in one place"},
	{"github.com/google/jsonschema-go", []string{"internal/api", "internal/shape", "workflow", "datasource"}, "schemas of forms and bodies"},
	{"github.com/vektah/gqlparser", []string{"datasource/graphql/document.go"}, "what a text may do is judged in one place"},
	{"github.com/graph-gophers/graphql-go", nil, "for tests only"},
	{"go.yaml.in/yaml", []string{"datasource/internal/openapi"}, "what somebody else's YAML may do is bounded in one place"},
	{"github.com/netresearch/go-cron", []string{"internal/cron"}, "the daylight-saving rule is in one place"},
	{"github.com/google/uuid", []string{"internal/id", "datasource"}, "ids are made and read in one place; a datasource may have values of the type"},
	{"github.com/jackc/pgx", []string{"internal/store", "internal/testdb", "datasource/postgres"}, "drivers are opened by the store and by their connector"},
	{"github.com/go-sql-driver/mysql", []string{"internal/testdb", "datasource/mysql"}, "drivers are opened by the store and by their connector"},
	{"modernc.org/sqlite", []string{"internal/store", "datasource/sqlite", "examples"}, "drivers are opened by the store and by their connector"},
	{"github.com/uptrace/bun/dialect", []string{"internal/store"}, "what differs between the dialects is in the store"},
	{"github.com/uptrace/bun", []string{".", "internal/page", "internal/store", "internal/api", "audit", "auth", "datasource", "rbac", "tenancy", "upload", "workflow"}, "services hold the SQL"},
	{"github.com/redis/go-redis", []string{".", "workflow/queue_asynq.go", "realtime", "datasource/redis", "internal/ratelimit", "internal/testdb", "jetadmintest", "examples"}, "the host's client goes to the queue, the bus and the limits; a datasource has its own"},
	{"github.com/aws", []string{"datasource/s3"}, "a driver is opened by its connector"},
	{"golang.org/x/text", []string{"datasource/file"}, "encodings of files"},
	{"github.com/go-jose/go-jose", []string{"internal/oidc", "internal/oidctest"}, "what a token must say is judged in one place"},
	{"golang.org/x/oauth2", []string{"internal/oidc"}, "the code flow is in one place"},
	{"golang.org/x/crypto", []string{"auth"}, "passwords are hashed there"},
	{"github.com/alicebob/miniredis", []string{"internal/testdb", "jetadmintest"}, "for tests only"},
	{"go.uber.org/goleak", []string{"internal/testdb"}, "for tests only"},
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, fault := range importFaults(s) {
			t.Error(fault)
		}
	}
}

func importFaults(s source) (faults []string) {
	if s.test {
		return nil
	}
	for _, imported := range s.imports {
		if to, ours := strings.CutPrefix(imported, module); ours {
			to = strings.TrimPrefix(to, "/")
			if to == "" {
				to = "."
			}
			for _, rule := range importRules {
				if rule.broken(s.dir, to) {
					faults = append(faults, s.path+" imports "+imported+", but "+rule.name+": "+rule.why)
				}
			}
		}
		// The first entry that matches is the one for the library: a longer path
		// stands before a shorter one.
		for _, library := range libraries {
			if within(imported, library.path) {
				if !within(s.path, library.places...) {
					faults = append(faults, s.path+" imports "+imported+", which belongs in "+strings.Join(library.places, ", ")+": "+library.why)
				}
				break
			}
		}
	}
	return faults
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// codeRules hold inside of a file.
var codeRules = []struct {
	name, why string
	exempt    func(s source) bool
	broken    func(s source, n ast.Node) (string, bool)
}{
	{
		name:   "no init functions",
		why:    "importing a package must do nothing: two Apps in one process share nothing",
		exempt: func(source) bool { return false },
		broken: func(s source, n ast.Node) (string, bool) {
			f, ok := n.(*ast.FuncDecl)
			return "init", ok && f.Recv == nil && f.Name.Name == "init"
		},
	},
	{
		name: "a library is quiet",
		why:  "standard output, the exit code, signals and the default logger are the host's",
		exempt: func(s source) bool {
			return s.test || within(s.dir, "examples", "internal/testdb", "internal/benchtable")
		},
		broken: func(s source, n ast.Node) (string, bool) {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					return f.Name, true
				}
			}
			return s.names(n, "os.Exit", "os.Stdout", "os.Stderr", "fmt.Print*", "log.*", "os/signal.*", "flag.*", "expvar.*", "log/slog.Info*", "log/slog.Warn*", "log/slog.Error*", "log/slog.Debug*", "log/slog.SetDefault")
		},
	},
	{
		name: "one way out",
		why:  "all outbound traffic goes through internal/egress, which judges the connected address",
		exempt: func(s source) bool {
			return s.test || within(s.dir, "examples", "internal/egress", "internal/testdb", "jetadmintest")
		},
		broken: func(s source, n ast.Node) (string, bool) {
			return s.names(n, "net/http.DefaultClient", "net/http.DefaultTransport", "net/http.Get", "net/http.Head", "net/http.Post*", "net.Dial*")
		},
	},
	{
		name:   "nothing on the default mux",
		why:    "the mux and its handlers are the host's",
		exempt: func(s source) bool { return s.test },
		broken: func(s source, n ast.Node) (string, bool) {
			return s.names(n, "net/http.DefaultServeMux", "net/http.Handle", "net/http.HandleFunc", "net/http.ListenAndServe*")
		},
	},
	{
		name:   "no sleeping",
		why:    "a sleep is either too short or too long: wait for the event, or for a timer beside a context",
		exempt: func(source) bool { return false },
		broken: func(s source, n ast.Node) (string, bool) { return s.names(n, "time.Sleep") },
	},
}

func TestCode(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, fault := range codeFaults(s) {
			t.Error(fault)
		}
	}
}

func codeFaults(s source) (faults []string) {
	for _, rule := range codeRules {
		if rule.exempt(s) {
			continue
		}
		for n := range ast.Preorder(s.ast) {
			if what, broken := rule.broken(s, n); broken {
				faults = append(faults, s.at(n)+": "+what+", but "+rule.name+": "+rule.why)
			}
		}
	}
	return faults
}

// Each package says in its doc what it is, and each exported thing what it does.
func TestDocs(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		doc := s.ast.Doc.Text()
		documented[s.dir] = documented[s.dir] || strings.HasPrefix(doc, "Package "+s.ast.Name.Name) || s.ast.Name.Name == "main" && doc != ""
		for _, fault := range docFaults(s) {
			t.Error(fault)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package doc: the first thing its next reader looks for", dir)
		}
	}
}

func docFaults(s source) (faults []string) {
	if s.ast.Name.Name == "main" {
		return nil
	}
	for _, decl := range s.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			known := slices.Contains([]string{"Error", "Unwrap", "String"}, d.Name.Name) // what these do needs no words
			if d.Name.IsExported() && d.Doc == nil && !known && receiverIsExported(d) {
				faults = append(faults, s.at(d)+": "+d.Name.Name+" is exported and has no doc comment")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					faults = append(faults, s.at(spec)+": "+spec.Name.Name+" is exported and has no doc comment")
				}
			}
		}
	}
	return faults
}

func receiverIsExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// What the rules are for is caught, and what looks like it is not.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, code string
		caught           bool
	}{
		{"a domain in a domain", "rbac/x.go", `import "github.com/jetadmin/jetadmin/tenancy"`, true},
		{"a domain in a part of another", "datasource/rest/x.go", `import "github.com/jetadmin/jetadmin/workflow"`, true},
		{"the vocabulary", "rbac/x.go", `import "github.com/jetadmin/jetadmin/auth"`, false},
		{"a domain in its own part", "workflow/node/x.go", `import "github.com/jetadmin/jetadmin/workflow"`, false},
		{"a domain in a test", "rbac/x_test.go", `import "github.com/jetadmin/jetadmin/tenancy"`, false},
		{"auth in audit", "audit/x.go", `import "github.com/jetadmin/jetadmin/auth"`, true},
		{"a domain in a leaf", "internal/page/x.go", `import "github.com/jetadmin/jetadmin/auth"`, true},
		{"the store in a connector", "datasource/rest/x.go", `import "github.com/jetadmin/jetadmin/internal/store"`, true},
		{"HTTP in a service", "workflow/x.go", `import "github.com/jetadmin/jetadmin/internal/api"`, true},
		{"the root in a service", "workflow/x.go", `import "github.com/jetadmin/jetadmin"`, true},
		{"the root in an example", "examples/x/x.go", `import "github.com/jetadmin/jetadmin"`, false},
		{"an example in the root", "jetadmin.go", `import "github.com/jetadmin/jetadmin/examples/server/shop"`, true},
		{"a part of an example in it", "examples/server/x.go", `import "github.com/jetadmin/jetadmin/examples/server/shop"`, false},
		{"an internal package in an example", "examples/server/x.go", `import "github.com/jetadmin/jetadmin/internal/id"`, true},
		{"test databases in a service", "auth/x.go", `import "github.com/jetadmin/jetadmin/internal/testdb"`, true},
		{"a library out of its place", "workflow/run.go", `import "github.com/hibiken/asynq"`, true},
		{"a library in its place", "workflow/queue_asynq.go", `import "github.com/hibiken/asynq"`, false},
		{"a dialect in a service", "auth/x.go", `import "github.com/uptrace/bun/dialect/pgdialect"`, true},
		{"an init", "auth/x.go", `func init() {}`, true},
		{"a method init", "auth/x.go", `func (x) init() {}`, false},
		{"an exit", "auth/x.go", `import "os"; func f() { os.Exit(1) }`, true},
		{"an exit by another name", "auth/x.go", `import system "os"; func f() { system.Exit(1) }`, true},
		{"an exit of an example", "examples/x/main.go", `import "os"; func f() { os.Exit(1) }`, false},
		{"a print", "auth/x.go", `import "fmt"; func f() { fmt.Println() }`, true},
		{"a builtin print", "auth/x.go", `func f() { println() }`, true},
		{"a sprint", "auth/x.go", `import "fmt"; func f() string { return fmt.Sprint(1) }`, false},
		{"another way out", "workflow/node/x.go", `import "net/http"; var r, _ = http.Get("x")`, true},
		{"a sleep in a test", "auth/x_test.go", `import "time"; func f() { time.Sleep(1) }`, true},
		{"state", "auth/x.go", `var cache map[string]string`, true},
		{"state with a value", "auth/x.go", `var n = 1`, true},
		{"a table that is changed", "auth/x.go", `var m = map[string]int{}; func f() { m["x"] = 1 }`, true},
		{"a table that is only read", "auth/x.go", `var m = map[string]int{"x": 1}; func f() int { return m["x"] }`, false},
		{"an error", "auth/x.go", `import "errors"; var errX = errors.New("x")`, false},
		{"a check of an interface", "auth/x.go", `var _ I = (*T)(nil)`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := parseSource(t, test.path, []byte("package x\n"+test.code))
			faults := slices.Concat(importFaults(s), codeFaults(s), stateFaults([]source{s}))
			if caught := len(faults) > 0; caught != test.caught {
				t.Errorf("caught = %v, want %v: %q", caught, test.caught, faults)
			}
		})
	}
}
