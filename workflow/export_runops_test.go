package workflow

import (
	"time"

	"github.com/jetadmin/jetadmin/problem"
)

// Again says whether a node is tried again, and when.
func Again(r Retry, failure *problem.Error, attempt int, left time.Duration) (time.Duration, bool) {
	p := Policy{Retry: &r}
	return p.again(failure, attempt, left)
}
