package jetadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jetadmin/jetadmin/internal/expr"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

func workflowsDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/workflows.md")
	must(t, err)
	return string(text)
}

var fenced = regexp.MustCompile("(?s)```(sh|json)\n(.*?)```\n")

// TestTheCommandsOfTheWorkflowsGuide pastes the commands of docs/workflows.md into
// one shell, in their order, and compares each reply with the one that follows in
// the text: what is shown of it is there.
func TestTheCommandsOfTheWorkflowsGuide(t *testing.T) {
	t.Parallel()
	if shown := runCommands(t, workflowsDoc(t), jetadmintest.Start(t, quiet(t))); shown < 5 {
		t.Errorf("the guide shows only %d replies", shown)
	}
}

// lacks says what of want is not in got. Objects may have more members, lists are
// of one length.
func lacks(got, want any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is no object", got)
		}
		for name, v := range w {
			if fault := lacks(g[name], v); fault != "" {
				return name + ": " + fault
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%v, want %v", got, want)
		}
		for i := range w {
			if fault := lacks(g[i], w[i]); fault != "" {
				return fmt.Sprintf("%d: %s", i, fault)
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Sprintf("%v, want %v", got, want)
	}
	return ""
}

func fromJSON(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestTheGraphsOfTheWorkflowsGuide runs each graph of docs/workflows.md with the
// inputs that stand below it.
func TestTheGraphsOfTheWorkflowsGuide(t *testing.T) {
	t.Parallel()
	app := jetadmintest.Start(t, quiet(t))
	owner := app.Client(app.Owner)
	doc, graphs := workflowsDoc(t), 0
	said := regexp.MustCompile("(?s)With the input\\s+`([^`]+)`\\s+the\\s+output\\s+is\\s+`([^`]+)`")
	blocks := fenced.FindAllStringSubmatchIndex(doc, -1)
	for i, at := range blocks {
		text := doc[at[4]:at[5]]
		if !strings.HasPrefix(strings.Join(strings.Fields(text), ""), `{"nodes"`) {
			continue
		}
		graphs++
		end := len(doc)
		if i+1 < len(blocks) {
			end = blocks[i+1][0]
		}
		runs := said.FindAllStringSubmatch(doc[at[1]:end], -1)
		if len(runs) == 0 {
			t.Errorf("nothing is said of what comes out of %s", text)
		}
		for _, r := range runs {
			var run struct {
				Status string
				Output any
			}
			reply := owner.Call("POST", "T/workflows/test", object{"graph": fromJSON(t, text), "input": fromJSON(t, r[1]), "wait": true})
			reply.Want(http.StatusAccepted).Into(&run)
			if run.Status != "succeeded" || !reflect.DeepEqual(run.Output, fromJSON(t, r[2])) {
				t.Errorf("with %s comes %s, want %s", r[1], reply.Body, r[2])
			}
		}
	}
	if graphs < 2 {
		t.Errorf("the guide has only %d graphs", graphs)
	}
}

// TestTheExpressionsOfTheWorkflowsGuide evaluates the table of docs/workflows.md.
func TestTheExpressionsOfTheWorkflowsGuide(t *testing.T) {
	t.Parallel()
	_, doc, _ := strings.Cut(workflowsDoc(t), "## Expressions")
	values := fenced.FindStringSubmatch(doc)[2]
	d := json.NewDecoder(strings.NewReader(values))
	d.UseNumber()
	env := expr.Env{"now": time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)}
	must(t, d.Decode(&env))
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| (?:`(.+)`|a fault) \\|$").FindAllStringSubmatch(doc, -1)
	if len(rows) < 25 {
		t.Fatalf("the table has only %d rows", len(rows))
	}
	for _, row := range rows {
		text := strings.ReplaceAll(row[1], `\|`, "|")
		v, err := expr.ParseValue(text)
		var got any
		if err == nil {
			got, err = v.Eval(env)
		}
		switch {
		case row[2] == "" && err == nil:
			t.Errorf("%s gives %v, want a fault", text, got)
		case row[2] == "":
		case err != nil:
			t.Errorf("%s: %v", text, err)
		default:
			b, err := json.Marshal(got)
			must(t, err)
			if string(b) != row[2] {
				t.Errorf("%s gives %s, want %s", text, b, row[2])
			}
		}
	}
}

// TestTheWorkflowsGuideNamesWhatThereIs compares the list of functions with the
// language.
func TestTheWorkflowsGuideNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	_, doc, _ := strings.Cut(workflowsDoc(t), "**Functions**")
	doc, _, _ = strings.Cut(doc, "**Limits.**")
	names := 0
	if _, err := expr.ParseExpression("let nobody = 1; nobody"); err != nil {
		t.Fatal(err)
	}
	for _, cell := range regexp.MustCompile("(?m)^\\| [a-z ]+ \\| `(.+)` \\|$").FindAllStringSubmatch(doc, -1) {
		for _, name := range regexp.MustCompile(`[a-zA-Z0-9]+(\([^)]*\))?`).FindAllString(cell[1], -1) {
			name, _, _ = strings.Cut(name, "(")
			names++
			if _, err := expr.ParseExpression("let " + name + " = 1; " + name); err == nil {
				t.Errorf("%s is not a function: a variable can have the name", name)
			}
		}
	}
	if names < 60 {
		t.Errorf("only %d functions are named", names)
	}
}
