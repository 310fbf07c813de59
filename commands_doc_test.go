package jetadmin_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/jetadmintest"
)

// runCommands pastes the commands that a text shows into one shell, in their order,
// and compares each output with the one that follows in the text: of JSON what is
// shown has to be there, any other text has to be the same. It returns how many
// outputs are shown.
func runCommands(t *testing.T, doc string, app *jetadmintest.App) (shown int) {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	const mark = "--- the next block ---"
	type output struct{ kind, text string }
	var script strings.Builder
	var want []output // of each script
	shell := false
	for _, block := range regexp.MustCompile("(?s)```(sh|json|text)\n(.*?)```\n").FindAllStringSubmatch(doc, -1) {
		kind, text := block[1], block[2]
		switch {
		case kind == "sh":
			script.WriteString(text + "\necho\necho '" + mark + "'\n")
			want = append(want, output{})
		case shell:
			want[len(want)-1] = output{kind, text}
		}
		shell = kind == "sh"
	}
	got := strings.Split(shellOutput(t, script.String(), app), mark)
	if len(got) != len(want)+1 {
		t.Fatalf("%d scripts gave %d outputs:\n%s", len(want), len(got)-1, got)
	}
	for i, w := range want {
		if w.kind == "" {
			continue
		}
		shown++
		fault := ""
		if w.kind == "json" {
			fault = lacks(fromJSON(t, got[i]), fromJSON(t, w.text))
		} else if strings.TrimSpace(strings.ReplaceAll(got[i], "\r", "")) != strings.TrimSpace(w.text) {
			fault = "another text"
		}
		if fault != "" {
			t.Errorf("the reply %s\n%s\nis not as shown: %s", strings.TrimSpace(got[i]), w.text, fault)
		}
	}
	return shown
}

func shellOutput(t *testing.T, script string, app *jetadmintest.App) string {
	t.Helper()
	login, err := app.Auth().Login(t.Context(), auth.Credentials{Email: app.Owner.User.Email, Password: app.Owner.Password})
	must(t, err)
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Env = append(os.Environ(), "NO_PROXY=*", "API="+app.URL+"/api/v1/tenants/"+app.Tenant.ID, "JETADMIN_TOKEN="+login.Token)
	var complaints strings.Builder
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, complaints.String(), output)
	}
	return string(output)
}
