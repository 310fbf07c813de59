package datasource

import (
	"context"
	"time"

	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/problem"
)

// EventState is the kind of event on the topic "datasource:<id>" that tells of a
// [State].
const EventState = "datasource.state"

// State says whether one process can connect to a datasource: it is told when the
// process begins to leave it alone, goes on doing so, and when it is reached again.
type State struct {
	ID        string     `json:"id"`
	Reachable bool       `json:"reachable"`
	Until     *time.Time `json:"until,omitempty"` // when somebody may try again
}

// EventKey names the state that the event tells: a newer one makes it worthless.
func (State) EventKey() string { return "state" }

func (s *Service) publishState(id string, state State) {
	if s.cfg.Publish != nil {
		s.cfg.Publish(context.Background(), "datasource:"+id, EventState, state)
	}
}

// TenantOf is the tenant of a datasource, for whoever has to find out where it belongs
// before he can ask whether he may see it. It reveals nothing else.
func (s *Service) TenantOf(ctx context.Context, datasourceID string) (string, error) {
	return s.tenants.Find(datasourceID, func() (tenantID string, err error) {
		err = s.db.NewRaw("SELECT tenant_id FROM ?schema.jet_datasource /* across tenants: find the tenant of a datasource */ WHERE id = ?", datasourceID).
			Scan(ctx, &tenantID)
		if store.IsMissing(err) {
			err = problem.Missing("datasource")
		}
		return tenantID, err
	})
}
