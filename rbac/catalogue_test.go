package rbac_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/rbac"
)

// The catalogue lists the permissions that operations can ask for, in the order
// of their constants, and nothing else.
func TestCatalogueIsTheConstants(t *testing.T) {
	t.Parallel()
	want := declaredPermissions(t)
	var got []auth.Permission
	titles := map[string]bool{}
	for _, info := range setup(t, testdb.SQLite(t)).Catalogue() {
		got = append(got, info.Permission)
		if info.Resource != info.Permission.Resource() || info.Title == "" || titles[info.Title] {
			t.Errorf("%+v", info)
		}
		titles[info.Title] = true
	}
	if !slices.Equal(got, want) {
		t.Errorf("catalogue\n%v\nconstants\n%v", got, want)
	}
}

func declaredPermissions(t *testing.T) []auth.Permission {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../auth/permission.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []auth.Permission
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Permission" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, auth.Permission(text))
		}
		return true
	})
	if len(all) < 30 {
		t.Fatalf("found only %d constants", len(all))
	}
	return all
}

// Each default role can do what the next lower one can, and what is said of it.
func TestDefaultRoles(t *testing.T) {
	t.Parallel()
	b := setup(t, testdb.SQLite(t))
	held := map[string][]auth.Permission{}
	order := []string{rbac.Owner, rbac.Admin, rbac.Editor, rbac.Operator, rbac.Viewer}
	for i, key := range order {
		effective, err := b.Effective(b.as(b.tenant, key))
		if err != nil {
			t.Fatal(err)
		}
		held[key] = effective
		if i == 0 {
			continue
		}
		above := held[order[i-1]]
		if len(effective) >= len(above) || slices.ContainsFunc(effective, func(p auth.Permission) bool { return !slices.Contains(above, p) }) {
			t.Errorf("%s is not below %s: %v", key, order[i-1], effective)
		}
	}
	if len(held[rbac.Owner]) != len(b.Catalogue()) {
		t.Errorf("an Owner holds %d of %d permissions", len(held[rbac.Owner]), len(b.Catalogue()))
	}
	ofOwners := []auth.Permission{auth.TenantUpdate, auth.TenantDelete, auth.TenantExport}
	if slices.ContainsFunc(held[rbac.Admin], func(p auth.Permission) bool { return slices.Contains(ofOwners, p) }) || len(held[rbac.Admin]) != len(b.Catalogue())-len(ofOwners) {
		t.Errorf("an Admin holds %v", held[rbac.Admin])
	}
	// T25: who runs things builds nothing. T20, T77, T85: who looks starts nothing.
	for key, refused := range map[string][]string{
		rbac.Editor:   {"tenant.update", "member.create", "member.update", "role.create", "role.update", "apikey.create", "audit.list"},
		rbac.Operator: {"query.create", "query.update", "query.delete", "query.test", "datasource.read", "datasource.test", "workflow.update", "workflow.publish", "member.list"},
		rbac.Viewer:   {"query.execute", "query.test", "datasource.list", "datasource.test", "workflow.execute", "run.cancel"},
	} {
		for _, permission := range refused {
			if slices.Contains(held[key], auth.Permission(permission)) {
				t.Errorf("%s holds %s", key, permission)
			}
		}
	}
}
