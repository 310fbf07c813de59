package workflow_test

import (
	"strings"
	"testing"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// Whatever has a name judges it alike, before a database does in its own way.
func TestNamesAreOneLineOfText(t *testing.T) {
	t.Parallel()
	testdb.Each(t, func(t *testing.T, db *store.DB) {
		b := setup(t, db, withKeys(t))
		flow := b.publish(t, chain())
		for name, good := range map[string]bool{
			"Zoë's ✓": true, strings.Repeat("é", 200): true,
			"": false, strings.Repeat("é", 201): false, "a\nb": false, "a\x00b": false, "a\xff": false, "\x1b[2J": false,
		} {
			_, workflowErr := b.Create(b.ctx, workflow.NewWorkflow{Name: name, Draft: chain()})
			_, scheduleErr := b.CreateSchedule(b.ctx, workflow.NewSchedule{WorkflowID: flow, Name: name, Expression: "@yearly"})
			_, _, webhookErr := b.CreateWebhook(b.ctx, workflow.NewWebhook{WorkflowID: flow, Name: name})
			for what, err := range map[string]error{"workflow": workflowErr, "schedule": scheduleErr, "webhook": webhookErr} {
				if good != (err == nil) || !good && problem.KindOf(err) != problem.Invalid {
					t.Errorf("a %s named %q: %v", what, name, err)
				}
			}
		}
		if _, err := b.Create(b.ctx, workflow.NewWorkflow{Name: "Described", Description: "a\x00b", Draft: chain()}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("a description that no database keeps: %v", err)
		}
	})
}
