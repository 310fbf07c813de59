package auth

import "testing"

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7":             "192.0.2.7",
		"192.0.2.7:80":          "192.0.2.7",
		"::ffff:192.0.2.7":      "192.0.2.7",
		"2001:db8::7":           "2001:db8::/64",
		"[2001:db8::9]:443":     "2001:db8::/64",
		"fe80::1%eth0":          "fe80::/64",
		"2001:db8:0:0:1:2:3:4":  "2001:db8::/64",
		"2001:db8:0:1::1":       "2001:db8:0:1::/64",
		"a socket, not a \x00n": "a socket, not a n",
	} {
		if got := network(address); got != want {
			t.Errorf("%q is of %q, want %q", address, got, want)
		}
	}
}
