package realtime

import (
	"net/netip"
	"sync"

	"github.com/jetadmin/jetadmin/auth"
)

// quota counts connections by whose they are: of a credential, or of the network
// that a stranger comes from.
type quota struct {
	mu   sync.Mutex
	held map[holder]int
}

// holder is whose a connection is. The zero holder is nobody in particular.
type holder struct {
	credential credential
	network    netip.Prefix
}

// holderOf a connection of who from an address. A stranger from the machine
// itself, or from an address that is not known, comes through a proxy that does
// not tell for whom: nobody can be counted.
func holderOf(who *auth.Principal, from netip.Addr) holder {
	if who != nil {
		return holder{credential: credentialOf(who)}
	}
	from = from.Unmap().WithZone("")
	if !from.IsValid() || from.IsLoopback() {
		return holder{}
	}
	bits := from.BitLen()
	if from.Is6() {
		bits = 64 // what one customer has
	}
	network, _ := from.Prefix(bits) // valid, and has as many bits
	return holder{network: network}
}

// take counts a connection in, unless its holder has as many as allowed.
func (q *quota) take(h holder, most int) bool {
	if h == (holder{}) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[h] >= most {
		return false
	}
	q.held[h]++
	return true
}

// give counts a connection out that was counted in.
func (q *quota) give(h holder) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h == (holder{}) {
		return
	}
	if q.held[h]--; q.held[h] <= 0 {
		delete(q.held, h)
	}
}
