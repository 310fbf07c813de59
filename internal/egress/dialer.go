package egress

import (
	"context"
	"net"
	"slices"
	"sync"
)

// Dialer dials by a policy, and once more to where it led: who tells a server to
// stop has to reach the very address of the connection, which a policy that
// allows the host by its name would not let pass. It is safe for concurrent use.
type Dialer struct {
	policy Policy

	mu      sync.Mutex
	reached map[string]bool // addresses of connections, as "ip:port"
}

// Dialer is a [Dialer] that has not been anywhere yet.
func (p Policy) Dialer() *Dialer { return &Dialer{policy: p, reached: map[string]bool{}} }

// DialContext is [Policy.DialContext].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	policy := d.policy
	d.mu.Lock()
	if d.reached[address] {
		policy.AllowHosts = append(slices.Clone(policy.AllowHosts), address)
	}
	d.mu.Unlock()
	conn, err := policy.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reached[conn.RemoteAddr().String()] = true
	return conn, nil
}
