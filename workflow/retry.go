package workflow

import (
	"slices"
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// maxRetryAfter is how long a remote service may ask the engine to wait, unless
// the policy's own upper bound is longer.
const maxRetryAfter = time.Hour

// draw picks a number from 0 up to, but not including, n at random.
type draw func(n int64) int64

// again says whether a node is tried again after a failed attempt, and when: at
// any time up to the end of its back-off, so that what failed together does not
// come back together, but not before a remote service asked for.
func (p *Policy) again(failure *problem.Error, attempt int, left time.Duration, draw draw) (time.Duration, bool) {
	r := p.Retry
	if r == nil || attempt > r.Max || !r.repeats(failure.Kind) {
		return 0, false
	}
	asked := min(failure.RetryAfter, max(maxRetryAfter, time.Duration(r.MaxDelay)))
	delay := max(time.Duration(draw(int64(r.backOff(attempt))+1)), asked)
	return delay, delay < left
}

// repeats reports whether a failure of a kind is worth another attempt.
func (r *Retry) repeats(k problem.Kind) bool {
	if len(r.On) > 0 {
		return slices.Contains(r.On, k)
	}
	return curable(k) && !slices.Contains(r.Except, k)
}

// curable reports whether another attempt may end differently.
func curable(k problem.Kind) bool {
	switch k {
	case problem.Invalid, problem.Unauthenticated, problem.Forbidden, problem.NotFound, problem.Conflict, problem.TooLarge:
		return false
	}
	return true
}

// backOff is how long to wait at most after a failed attempt.
func (r *Retry) backOff(attempt int) time.Duration {
	base, most := time.Duration(r.Delay), time.Duration(r.MaxDelay)
	if base == 0 {
		base = defaultRetryDelay
	}
	if most == 0 {
		most = defaultRetryMaxDelay
	}
	d := base
	switch r.Backoff {
	case BackoffFixed:
	case BackoffLinear:
		d = base * time.Duration(attempt)
	default:
		d = base << min(attempt-1, 30)
	}
	if d <= 0 || d > most {
		d = most
	}
	return d
}

// left is what remains of the time that the node may take in all, counted from
// when it became ready. Without a limit it is longer than anything.
func (c *claim) left(now time.Time) time.Duration {
	total := time.Duration(c.def().policy.TotalTimeout)
	if total == 0 || c.node.ReadyAt == nil {
		return maxRunTimeout
	}
	return total - now.Sub(*c.node.ReadyAt)
}

// overrun is the problem of a node that takes longer than it may in all.
func (p *Policy) overrun() *problem.Error {
	return problem.Newf(problem.Timeout, "node_total_timeout", "the node took longer than %s in all", p.TotalTimeout)
}

// limit is how long an attempt may take, and the problem of one that takes
// longer. It is not positive when the node's time is over before the attempt.
func (c *claim) limit(now time.Time) (time.Duration, *problem.Error) {
	policy := c.def().policy
	if left := c.left(now); left < time.Duration(policy.Timeout) {
		return left, policy.overrun()
	}
	return time.Duration(policy.Timeout), problem.Newf(problem.Timeout, "node_timeout", "the attempt took longer than %s", policy.Timeout)
}
