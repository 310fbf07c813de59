package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/secret"
)

// No way of showing a secret shows it, also from inside of something else.
func TestTextIsNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "hunter2canary"
	type outer struct {
		Password secret.Text
		Nested   *secret.Text
		List     []secret.Text
		Map      map[string]secret.Text
		hidden   secret.Text
	}
	text := secret.NewText(canary)
	v := outer{text, &text, []secret.Text{text}, map[string]secret.Text{"k": text}, text}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "text", text, "pointer", &text, "outer", v)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "text", text, "pointer", &text, "outer", v)
	marshalled, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{"log": logged.String(), "json": string(marshalled), "error": fmt.Errorf("x: %v", v).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		shown[verb] = fmt.Sprintf(verb, text) + fmt.Sprintf(verb, &text) + fmt.Sprintf(verb, v)
	}
	for how, out := range shown {
		if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s shows the secret: %s", how, out)
		}
	}
	if text.Reveal() != canary {
		t.Error("Reveal does not give the value")
	}
}

func TestTextJSON(t *testing.T) {
	t.Parallel()
	var text secret.Text
	if !text.Empty() || text.String() != "" {
		t.Error("the zero value is not empty")
	}
	if err := json.Unmarshal([]byte(`"in"`), &text); err != nil || text.Reveal() != "in" || text.Empty() {
		t.Errorf("read as %q, %v", text.Reveal(), err)
	}
	if out, err := json.Marshal(text); err != nil || string(out) != `"`+secret.Mask+`"` {
		t.Errorf("written as %s, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`7`), &text); err == nil {
		t.Error("a number was read as a secret")
	}
}
