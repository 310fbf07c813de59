package egress

import "regexp"

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$|^::1?$`)

// IsHost reports whether s is the name or address of one host. It leaves out
// socket paths, lists of hosts and everything else that a connection string would
// read as more than a name.
func IsHost(s string) bool { return hostName.MatchString(s) }
