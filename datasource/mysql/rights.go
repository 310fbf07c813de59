package mysql

import (
	"context"
	"slices"
	"strings"
)

const maxGrants = 1000

// rights is what an account may do, as far as a test of the connection tells.
type rights struct {
	file  bool // files of the server
	admin bool // settings, accounts, the server itself
	write bool // data or tables, anywhere
}

// rights reads the grants of the user. Nothing of them is shown: older servers add
// a hash of the password.
func (l *link) rights(ctx context.Context) (rights, error) {
	var r rights
	grants, err := l.ask(ctx, "SHOW GRANTS", maxGrants)
	if err != nil {
		return r, err
	}
	for _, grant := range grants {
		r.add(grant[0])
	}
	readOnly, err := l.ask(ctx, "SELECT @@global.read_only", 1)
	if err == nil && len(readOnly) == 1 && !r.admin && readOnly[0][0] == "1" {
		r.write = false
	}
	return r, err
}

// add reads a line such as "GRANT SELECT, FILE ON *.* TO `u`@`%`".
func (r *rights) add(grant string) {
	what, where, ok := strings.Cut(strings.TrimPrefix(grant, "GRANT "), " ON ")
	if !ok {
		return // a role
	}
	everywhere := strings.HasPrefix(where, "*.* ")
	for privilege := range strings.SplitSeq(what, ", ") {
		name, _, _ := strings.Cut(privilege, " (") // a list of columns
		all := name == "ALL PRIVILEGES"
		r.file = r.file || everywhere && (all || name == "FILE")
		r.admin = r.admin || everywhere && (all || administers(name))
		r.write = r.write || all || changes(name)
	}
}

func administers(privilege string) bool {
	return slices.Contains([]string{
		"SUPER", "SHUTDOWN", "RELOAD", "CREATE USER", "SYSTEM_VARIABLES_ADMIN", "SET USER", "CONNECTION ADMIN", "BINLOG REPLAY",
		"READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "SYSTEM_USER", "ROLE_ADMIN",
	}, privilege)
}

func changes(privilege string) bool {
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "EXECUTE", "TRIGGER", "CREATE ROUTINE"}, privilege)
}
