package realtime

import (
	"context"
	"reflect"

	"github.com/jetadmin/jetadmin/auth"
)

// holders are the connections of this process that have one and the same principal,
// so that what is asked about one is known of all.
type holders struct {
	who     *auth.Principal
	clients []*client
}

// credential is what principals have in common that may be the same.
type credential struct {
	kind                                               auth.Kind
	user, issuer, subject, session, key, tenant, works string
}

// maxAlike is how many principals that differ only in what [credential] leaves out
// are compared: those of a user whose every token has other claims stay apart.
const maxAlike = 16

// byCredential groups the clients that have a principal and live.
func byCredential(clients []*client) (all []*holders) {
	known := map[credential][]*holders{}
	for _, c := range clients {
		who := c.principal()
		if who == nil || c.ended.Load() {
			continue
		}
		name := credential{who.Kind, who.UserID, who.Issuer, who.Subject, who.SessionID, who.KeyID, who.TenantID, who.Service}
		g := same(known[name], who)
		if g == nil {
			g = &holders{who: who}
			all = append(all, g)
			if len(known[name]) < maxAlike {
				known[name] = append(known[name], g)
			}
		}
		g.clients = append(g.clients, c)
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

// topics are the subscriptions of all, by their topic.
func (g *holders) topics() map[Topic][]*subscription {
	watching := map[Topic][]*subscription{}
	for _, c := range g.clients {
		for _, s := range c.subscriptions() {
			watching[s.topic] = append(watching[s.topic], s)
		}
	}
	return watching
}

func (g *holders) failClosed(ctx context.Context, err error) {
	for _, c := range g.clients {
		c.failClosed(ctx, err)
	}
}
