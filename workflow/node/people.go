package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jetadmin/jetadmin/problem"
	"github.com/jetadmin/jetadmin/workflow"
)

// What nodes that wait for people have in common.

// asking is the part of a configuration that says who is asked what, until when.
type asking struct {
	Title    string   `json:"title" jsonschema:"what is asked, in a few words"`
	Message  string   `json:"message,omitempty" jsonschema:"what there is to know for an answer"`
	Roles    []string `json:"roles,omitempty" jsonschema:"who may answer: ids of roles, or keys of default roles like operator; without roles and users, whoever holds run.answer"`
	Users    []string `json:"users,omitempty" jsonschema:"who may answer: ids of users"`
	Deadline string   `json:"deadline,omitempty" jsonschema:"until when, as a length of time like 3d or an instant in RFC 3339; then the port expired is taken; default and at most 366d"`
}

// least is the shortest wait: what is over already is over at once.
const least = time.Millisecond

// check finds what is wrong with the common part, as far as it is known before
// the run.
func (asking) check(f *problem.Faults, config map[string]any) {
	if title, ok := config["title"].(string); ok {
		f.Check(strings.TrimSpace(title) != "", "title", "must not be empty")
	}
	for _, field := range []string{"roles", "users"} {
		list, _ := config[field].([]any)
		for i, v := range list {
			name, ok := v.(string)
			f.Check(ok && name != "", fmt.Sprintf("%s[%d]", field, i), "must be an id")
		}
	}
	if deadline, ok := config["deadline"].(string); ok && !strings.Contains(deadline, "{{") {
		if _, err := instant(deadline); err != nil {
			d, err := length(deadline)
			f.Check(err == nil && d > 0, "deadline", "must be a length of time like 3d, at most 366d, or an instant like 2030-01-31T08:00:00Z")
		}
	}
}

// named lists those of roles and users that are known before the run.
func (asking) named(config map[string]any) workflow.Assignees {
	known := func(field string) []string {
		list, _ := config[field].([]any)
		var names []string
		for _, v := range list {
			if name, ok := v.(string); ok && !strings.Contains(name, "{{") {
				names = append(names, name)
			}
		}
		return names
	}
	return workflow.Assignees{Roles: known("roles"), Users: known("users")}
}

// wait is what the node asks the engine for.
func (a asking) wait(call *workflow.Call) (*workflow.Wait, error) {
	blank := func(s string) bool { return s == "" }
	if slices.ContainsFunc(a.Roles, blank) || slices.ContainsFunc(a.Users, blank) {
		// An empty list lets everybody answer, so what was to name somebody must.
		return nil, problem.New(problem.Invalid, "assignee_missing", "a role or user that may answer is empty")
	}
	timeout, err := a.timeout(call.Now)
	return &workflow.Wait{
		Title: a.Title, Message: a.Message, Assignees: workflow.Assignees{Roles: a.Roles, Users: a.Users}, Timeout: timeout,
	}, err
}

func (a asking) timeout(now time.Time) (time.Duration, error) {
	if a.Deadline == "" {
		return 0, nil
	}
	if t, err := instant(a.Deadline); err == nil {
		d := max(t.Sub(now), least)
		if d > maxDelay {
			return 0, tooLong()
		}
		return d, nil
	}
	d, err := length(a.Deadline)
	return max(d, least), err
}
