package realtime

import (
	"cmp"
	"context"
	"math"
	"reflect"

	"github.com/jetadmin/jetadmin/auth"
)

// holders are the connections of this process that have one and the same principal,
// so that what is asked about one is known of all.
type holders struct {
	who     *auth.Principal
	clients []*client
	topics  map[Topic][]*subscription
	checked int64 // when the last of them was, see client
}

// credential is what principals have in common that may be the same.
type credential struct {
	kind                                               auth.Kind
	user, issuer, subject, session, key, tenant, works string
}

func credentialOf(who *auth.Principal) credential {
	return credential{who.Kind, who.UserID, who.Issuer, who.Subject, who.SessionID, who.KeyID, who.TenantID, who.Service}
}

// maxAlike is how many principals that differ only in what [credential] leaves out
// are compared: those of a user whose every token has other claims stay apart.
const maxAlike = 16

// byCredential groups the clients that have a principal and live, and ends those
// that are too many for their credential.
func byCredential(clients []*client, most int) (all []*holders) {
	known := map[credential][]*holders{}
	for _, c := range clients {
		who := c.principal()
		if who == nil || c.ended.Load() {
			continue
		}
		name := credentialOf(who)
		g := same(known[name], who)
		if g == nil {
			g = &holders{who: who, topics: map[Topic][]*subscription{}, checked: math.MaxInt64}
			all = append(all, g)
			if len(known[name]) < maxAlike {
				known[name] = append(known[name], g)
			}
		}
		g.add(c, most)
	}
	return all
}

// same finds the holders of an equal principal. A host's claims, for one, may
// differ between two connections of a user: then they are checked apart.
func same(candidates []*holders, who *auth.Principal) *holders {
	for _, g := range candidates {
		if g.who == who || reflect.DeepEqual(g.who, who) {
			return g
		}
	}
	return nil
}

// add counts a connection in, unless all together watch more than most topics: then
// it ends.
func (g *holders) add(c *client, most int) {
	watching := c.subscriptions()
	all := len(g.topics)
	for _, s := range watching {
		if g.topics[s.topic] == nil {
			all++
		}
	}
	if all > most {
		c.end(CloseTopics, "too many topics of one credential")
		return
	}
	g.clients = append(g.clients, c)
	g.checked = min(g.checked, c.checked.Load())
	for _, s := range watching {
		g.topics[s.topic] = append(g.topics[s.topic], s)
	}
}

// byTurn is the order in which credentials are checked: who has much to check
// comes after who has little, and of those that are alike who waited longest is first.
func byTurn(g, other *holders) int {
	const much = 64
	return cmp.Or(cmp.Compare(len(g.topics)/much, len(other.topics)/much), cmp.Compare(g.checked, other.checked))
}

func (g *holders) failClosed(ctx context.Context, err error) {
	for _, c := range g.clients {
		c.failClosed(ctx, err)
	}
}
