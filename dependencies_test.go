package jetadmin_test

import (
	"os"
	"strings"
	"testing"
)

// dependencies are the modules that the library asks for itself, each with the
// reason why it is not own code. Who adds one adds its reason here.
var dependencies = map[string]string{
	"github.com/alicebob/miniredis/v2":             "tests of the Asynq queue and the Redis bus on a machine without Redis",
	"github.com/aws/aws-sdk-go-v2":                 "signatures and settings of the S3 client",
	"github.com/aws/aws-sdk-go-v2/service/s3":      "S3 client, a package that a host imports by choice",
	"github.com/aws/smithy-go":                     "errors of the S3 client",
	"github.com/casbin/casbin/v2":                  "matching of roles, grants and wildcards",
	"github.com/coder/websocket":                   "WebSocket protocol with contexts, kept up to date",
	"github.com/danielgtaylor/huma/v2":             "OpenAPI 3.1 that is made from the handlers' own types",
	"github.com/expr-lang/expr":                    "expressions in templates, without loops or access to the host",
	"github.com/go-jose/go-jose/v4":                "signatures of tokens and key sets of issuers",
	"github.com/go-sql-driver/mysql":               "MySQL and MariaDB driver, for hosts that add the connector",
	"github.com/google/jsonschema-go":              "schemas of node and connector settings, from their Go types",
	"github.com/google/uuid":                       "ids of version 7",
	"github.com/graph-gophers/graphql-go":          "a real GraphQL server for the tests of that connector",
	"github.com/hibiken/asynq":                     "queue on Redis for more than one process",
	"github.com/jackc/pgx/v5":                      "PostgreSQL driver",
	"github.com/netresearch/go-cron":               "parser of cron expressions",
	"github.com/redis/go-redis/v9":                 "Redis client that hosts already have",
	"github.com/tetratelabs/wazero":                "WebAssembly without cgo, for scripts of users",
	"github.com/uptrace/bun":                       "one SQL builder for both dialects",
	"github.com/uptrace/bun/dialect/pgdialect":     "PostgreSQL for bun",
	"github.com/uptrace/bun/dialect/sqlitedialect": "SQLite for bun",
	"github.com/vektah/gqlparser/v2":               "parser of GraphQL texts, with limits of tokens and depth",
	"go.opentelemetry.io/otel":                     "attributes of traces and metrics, for providers that the host injects",
	"go.opentelemetry.io/otel/metric":              "metrics, API only",
	"go.opentelemetry.io/otel/trace":               "traces, API only",
	"go.uber.org/goleak":                           "tests that no goroutine is left over",
	"go.yaml.in/yaml/v3":                           "OpenAPI documents that are written in YAML",
	"golang.org/x/crypto":                          "argon2id",
	"golang.org/x/oauth2":                          "code flow of OpenID Connect",
	"golang.org/x/sync":                            "groups of goroutines with one error",
	"golang.org/x/text":                            "encodings of uploaded texts besides UTF-8",
	"golang.org/x/time":                            "rate limits in process",
	"modernc.org/sqlite":                           "SQLite without cgo",
}

// maxModules is the budget for everything that is compiled in, direct or not.
const maxModules = 70

func TestDependenciesHaveReasons(t *testing.T) {
	t.Parallel()
	direct, all := required(t)
	for path := range direct {
		if dependencies[path] == "" {
			t.Errorf("go.mod requires %s without a reason in this test", path)
		}
	}
	for path := range dependencies {
		if !direct[path] {
			t.Errorf("%s has a reason here, but go.mod does not require it", path)
		}
	}
	if all > maxModules {
		t.Errorf("go.mod lists %d modules, the budget is %d", all, maxModules)
	}
}

// required reads go.mod: the modules required directly, and how many there are
// with the indirect ones.
func required(t *testing.T) (direct map[string]bool, all int) {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct = map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		all++
		if !strings.Contains(line, "// indirect") {
			direct[fields[0]] = true
		}
	}
	return direct, all
}
