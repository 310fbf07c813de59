package jetadmin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	store "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/mysql"
	"github.com/jetadmin/jetadmin/datasource/s3"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// The examples of the types that need a server, see [Example_query] for the others:
// how a datasource of the type is made, a query saved and run from Go.
func TestExamplesOfTypesThatNeedAServer(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := testdb.PostgresDatabase(t)
		result := runOn(t, jetadmin.Config{}, postgresSource(t, dsn), datasource.NewQuery{
			Operation: json.RawMessage(`{"text": "SELECT x * 2 AS double FROM generate_series(1, 100) AS x WHERE x IN ({{ numbers }}) ORDER BY x"}`),
			Params:    []datasource.Param{{Name: "numbers", Type: "integer[]"}},
		}, map[string]any{"numbers": []any{1, 21}})
		requireRows(t, result, "double integer [[2] [42]]")
	})
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		db := testdb.MySQL(t)
		port, err := strconv.Atoi(db.Port)
		must(t, err)
		result := runOn(t, jetadmin.Config{Connectors: []datasource.Connector{mysql.Connector()}}, datasource.NewDatasource{
			Type:     "mysql",
			Settings: map[string]any{"host": db.Host, "port": port, "database": db.Name, "user": db.User, "sslmode": "disable"},
			Secrets:  map[string]string{"password": db.Password},
		}, datasource.NewQuery{
			Operation: json.RawMessage(`{"text": "SELECT CONCAT('hello ', {{ name }}) AS greeting"}`),
			Params:    []datasource.Param{{Name: "name", Type: datasource.ParamString}},
		}, map[string]any{"name": "O'Hara"})
		requireRows(t, result, "greeting string [[hello O'Hara]]")
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		options := testdb.Redis(t)
		host, port := hostAndPort(t, options.Addr)
		result := runOn(t, jetadmin.Config{}, datasource.NewDatasource{
			Type:     "redis",
			Settings: map[string]any{"host": host, "port": port, "db": options.DB, "sslmode": "disable"},
		}, datasource.NewQuery{
			Operation: json.RawMessage(`{"command": "INCRBY", "args": ["visits:{{ day }}", "3"]}`), Writes: true,
			Params: []datasource.Param{{Name: "day", Type: datasource.ParamDate}},
		}, map[string]any{"day": "2024-02-29"})
		requireRows(t, result, "value integer [[3]]")
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		server := testdb.S3(t)
		bucket := newBucket(t, server)
		result := runOn(t, jetadmin.Config{Connectors: []datasource.Connector{s3.Connector()}}, datasource.NewDatasource{
			Type:     "s3",
			Settings: map[string]any{"endpoint": server.Address, "bucket": bucket, "accessKey": server.AccessKey, "tls": false},
			Secrets:  map[string]string{"secretKey": server.SecretKey},
		}, datasource.NewQuery{
			Operation: json.RawMessage(`{"operation": "get", "key": "{{ day }}.csv", "as": "csv"}`),
			Params:    []datasource.Param{{Name: "day", Type: datasource.ParamDate}},
		}, map[string]any{"day": "2024-02-29"})
		requireRows(t, result, "total number [[12.5] [7]]")
	})
}

// runOn saves a query on a new datasource, and runs it.
func runOn(t *testing.T, cfg jetadmin.Config, source datasource.NewDatasource, query datasource.NewQuery, params map[string]any) datasource.Result {
	t.Helper()
	cfg.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} // public addresses need no leave
	app := jetadmintest.Start(t, cfg)
	ctx := app.Owner.Context(t.Context())
	source.Name, query.Name = "Source", "Query"
	ds, err := app.Datasources().Create(ctx, source)
	must(t, err)
	query.DatasourceID = ds.ID
	saved, err := app.Datasources().CreateQuery(ctx, query)
	must(t, err)
	result, err := app.Datasources().RunQuery(ctx, saved.ID, params)
	must(t, err)
	return result
}

func requireRows(t *testing.T, result datasource.Result, want string) {
	t.Helper()
	if got := fmt.Sprint(result.Columns[0].Name, " ", result.Columns[0].Type, " ", result.Rows); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func hostAndPort(t *testing.T, address string) (string, int) {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	must(t, err)
	port, err := strconv.Atoi(text)
	must(t, err)
	return host, port
}

// newBucket makes one with an object in it.
func newBucket(t *testing.T, server testdb.S3Store) (name string) {
	t.Helper()
	client := store.New(store.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + server.Address), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: server.AccessKey, SecretAccessKey: server.SecretKey}, nil
		}),
	})
	name = "examples"
	_, err := client.CreateBucket(t.Context(), &store.CreateBucketInput{Bucket: &name})
	must(t, err)
	_, err = client.PutObject(t.Context(), &store.PutObjectInput{Bucket: &name, Key: aws.String("2024-02-29.csv"), Body: strings.NewReader("total\n12.5\n7\n")})
	must(t, err)
	return name
}
