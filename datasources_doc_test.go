package jetadmin_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/datasource"
	demoshop "github.com/jetadmin/jetadmin/examples/server/shop"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

func datasourcesDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/datasources.md")
	must(t, err)
	return string(text)
}

// TestTheCommandsOfTheDatasourcesGuide runs the commands of docs/datasources.md on the
// shop of the demo server.
func TestTheCommandsOfTheDatasourcesGuide(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	app := jetadmintest.Start(t, cfg)
	folder := filepath.Join(cfg.DataDir, "files", app.Tenant.ID)
	must(t, os.MkdirAll(folder, 0o700))
	must(t, demoshop.Create(t.Context(), filepath.Join(folder, "shop.db")))
	if shown := runCommands(t, datasourcesDoc(t), app); shown < 9 {
		t.Errorf("the guide shows only %d replies", shown)
	}
}

// TestTheDatasourcesGuideNamesWhatThereIs compares its tables with the types of
// parameters and with the permissions.
func TestTheDatasourcesGuideNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	doc := datasourcesDoc(t)
	for _, kind := range append(datasource.ParamTypes(), datasource.ParamIdentifier, datasource.ParamDirection) {
		if !strings.Contains(doc, "`"+string(kind)+"`") {
			t.Errorf("it does not name the type %s", kind)
		}
	}
	_, rights, _ := strings.Cut(doc, "## Rights")
	rights, _, _ = strings.Cut(rights, "## From Go")
	var named []string
	resource := ""
	for _, name := range regexp.MustCompile("`([a-z]*)\\.([a-z]+)`").FindAllStringSubmatch(rights, -1) {
		if name[1] != "" {
			resource = name[1]
		}
		named = append(named, resource+"."+name[2])
	}
	for _, p := range auth.Permissions() {
		if ours := p.Resource() == "datasource" || p.Resource() == "query"; ours && !slices.Contains(named, string(p)) {
			t.Errorf("it does not name %s", p)
		}
	}
}
