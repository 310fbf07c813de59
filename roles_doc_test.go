package jetadmin_test

import (
	"os"
	"testing"

	"github.com/jetadmin/jetadmin/jetadmintest"
)

// TestTheCommandsOfTheRolesGuide pastes the commands of docs/roles.md into one shell
// and compares each reply with the one that follows in the text.
func TestTheCommandsOfTheRolesGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/roles.md")
	must(t, err)
	if shown := runCommands(t, string(text), jetadmintest.Start(t, quiet(t))); shown != 3 {
		t.Errorf("the guide shows %d replies", shown)
	}
}
