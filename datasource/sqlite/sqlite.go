// Package sqlite connects datasources to SQLite files below a folder of the
// server.
//
// A query that is not marked as writing runs on a connection that is opened
// read-only (mode=ro, query_only). An authorizer on every connection refuses
// ATTACH, VACUUM INTO, extensions, transactions and pragmas other than those
// that describe tables, whatever the text looks like.
package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/datasource/template"
	"github.com/jetadmin/jetadmin/problem"
)

// Config says where the files are.
type Config struct {
	// Root is the folder below which all files are. "" = no file can be opened.
	Root string

	// Folder gives the folder of a tenant, relative to Root ("." is Root itself,
	// for all tenants together); nil = a folder named by the tenant's id. It must
	// be safe for concurrent use.
	Folder func(tenantID string) string
}

// Connector makes the connector of the type "sqlite". It opens files that are
// there; it never makes one.
func Connector(cfg Config) datasource.Connector {
	if cfg.Folder == nil {
		cfg.Folder = func(tenantID string) string { return tenantID }
	}
	return &connector{cfg: cfg, dialect: template.SQLite()}
}

type connector struct {
	cfg     Config
	dialect template.Dialect
}

func (c *connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "sqlite",
		Title:       "SQLite",
		Description: "A database file on the server.",
		Fields: []datasource.Field{{
			Name: "file", Title: "File", Type: datasource.FieldString, Required: true, Target: true,
			Description: "Path of the file, relative to the tenant's folder on the server.",
		}},
		Operation: template.SQLOperation(),
		Abilities: datasource.Abilities{Exec: true, Introspect: true, Explain: true},
	}
}

func (c *connector) Parse(operation json.RawMessage) (datasource.Operation, error) {
	statement, err := template.ParseStatement(operation, c.dialect)
	if err != nil {
		return nil, err
	}
	return statement, nil
}

// CheckSettings refuses a path that leaves the tenant's folder. Whether the file
// is there is found out when it is opened.
func (c *connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	_, err := c.path(s)
	faults.Check(!errors.Is(err, errOutside), "settings.file", "must be a relative path below the tenant's folder, without links out of it")
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

func (c *connector) Open(ctx context.Context, s datasource.Settings) (datasource.Conn, error) {
	path, err := c.path(s)
	if err != nil {
		return nil, problem.New(problem.Upstream, "file_missing", "there is no such database file").
			Fix("check the file name in the settings of the datasource").Because(err)
	}
	return open(path), nil
}

var errOutside = errors.New("the path leaves the folder of the tenant")

// path is where the file really is. os.Root refuses "..", absolute paths and
// links that lead out; the links that are left are resolved, so that SQLite
// opens the very file that was judged. (Only who can write to the folder could
// exchange it in between.)
func (c *connector) path(s datasource.Settings) (string, error) {
	file := filepath.FromSlash(s.String("file"))
	if c.cfg.Root == "" || !filepath.IsLocal(file) {
		return "", errOutside
	}
	base, err := os.OpenRoot(c.cfg.Root)
	if err != nil {
		return "", err
	}
	defer base.Close()
	root, err := base.OpenRoot(c.cfg.Folder(s.TenantID))
	if err != nil {
		return "", err
	}
	defer root.Close()
	info, err := root.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", err
	case err != nil:
		return "", errors.Join(errOutside, err)
	case !info.Mode().IsRegular():
		return "", errOutside
	}
	path, err := filepath.EvalSymlinks(filepath.Join(root.Name(), file))
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
