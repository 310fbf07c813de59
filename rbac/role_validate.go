package rbac

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

// The limits of a tenant's roles. The number is what keeps a decision that was
// not made before in its time: an enforcer looks at every role.
const (
	maxRoles       = 250
	maxName        = 100
	maxDescription = 500
)

// validate checks a role as the caller gave it: the same for a new and for a
// changed one.
func (s *Service) validate(role Role) error {
	var f problem.Faults
	f.Check(role.Name != "" && role.Name == strings.TrimSpace(role.Name), "name", "must not be empty, begin or end with a space")
	f.Check(utf8.RuneCountInString(role.Name) <= maxName, "name", fmt.Sprintf("must have at most %d characters", maxName))
	f.Check(text.OneLine(role.Name), "name", "must be readable text on one line")
	f.Check(utf8.RuneCountInString(role.Description) <= maxDescription, "description", fmt.Sprintf("must have at most %d characters", maxDescription))
	f.Check(text.OneLine(strings.ReplaceAll(role.Description, "\n", "")), "description", "must be readable text")
	for i, p := range role.Permissions {
		if len(f.List()) > len(s.catalogue.list) {
			break // the caller has understood
		}
		if !s.catalogue.grantable(p) {
			f.Add(fmt.Sprintf("permissions.%d", i), "is not a permission")
		}
	}
	return f.Err("role_invalid", "the role is not valid")
}
