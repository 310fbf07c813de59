package realtime

import (
	"net/netip"
	"sync"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/peer"
)

const tooMany = "too many connections"

// quota counts connections by whose they are: of a credential, or of the network
// that a stranger comes from.
type quota struct {
	mu   sync.Mutex
	held map[party]int
}

// party is whose a connection is. The zero party is nobody in particular.
type party struct {
	credential credential
	network    netip.Prefix
}

// partyOf a connection of who from an address. A stranger from the machine
// itself, or from an address that is not known, comes through a proxy that does
// not tell for whom: nobody can be counted.
func partyOf(who *auth.Principal, from netip.Addr) party {
	if who != nil {
		return party{credential: credentialOf(who)}
	}
	if !from.IsValid() || from.Unmap().IsLoopback() {
		return party{}
	}
	return party{network: peer.Network(from)}
}

// take counts a connection in, unless its party has as many as allowed.
func (q *quota) take(p party, most int) bool {
	if p == (party{}) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[p] >= most {
		return false
	}
	q.held[p]++
	return true
}

// give counts a connection out that was counted in.
func (q *quota) give(p party) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p == (party{}) {
		return
	}
	if q.held[p]--; q.held[p] <= 0 {
		delete(q.held, p)
	}
}
