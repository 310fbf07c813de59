package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/throttle"
)

// How many deliveries that prove nothing are judged from one network: so many at once,
// then one per pause. Each costs a query, and anybody can send them.
const (
	badDeliveries    = 600
	badDeliveryPause = 100 * time.Millisecond
)

// hookLimits are how often deliveries come: those that are good by webhook, the others
// by where they come from, so that these take nothing from the sender.
type hookLimits struct {
	good, bad *throttle.Throttle
}

func newHookLimits(shared auth.Limiter) hookLimits {
	limit := func(name string, r throttle.Rate) *throttle.Throttle {
		return throttle.New(throttle.Config{Name: name, Rate: r, Code: "too_many_deliveries", What: "deliveries", Shared: shared})
	}
	return hookLimits{good: limit("delivery", hookRate(defaultWebhookRate)), bad: limit("bad delivery", throttle.Rate{Burst: badDeliveries, Pause: badDeliveryPause})}
}

// take counts a good delivery. With another rate a webhook begins anew.
func (h hookLimits) take(ctx context.Context, webhookID string, perMinute int, now time.Time) error {
	return h.good.TakeAt(ctx, hookRate(perMinute), fmt.Sprint(webhookID, "/", perMinute), now)
}

// hookRate is that of a webhook: a tenth of a minute's share may come at once.
func hookRate(perMinute int) throttle.Rate {
	return throttle.Rate{Burst: max(1, perMinute/10), Pause: time.Minute / time.Duration(perMinute)}
}
