package datasource

import (
	"context"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// Explainer is a Conn whose datasource tells how it would run a statement.
type Explainer interface {
	// Explain runs nothing of the statement. Its errors are those of Query.
	Explain(ctx context.Context, s Statement) (Explanation, error)
}

// Explanation says how a datasource would run a statement.
type Explanation struct {
	Lines []string `json:"lines"` // in the words of the datasource, indented by depth
}

// ExplainQuery tells how the datasource would run a query that is not saved. It
// needs query.test. A type that does not tell is a Conflict, see [Abilities];
// other errors are those of [Service.TestQuery].
func (s *Service) ExplainQuery(ctx context.Context, in QueryTest) (Explanation, error) {
	c, err := s.unsaved(ctx, in)
	if err != nil {
		return Explanation{}, err
	}
	limited, cancel := s.limit(auth.WithoutPrincipal(ctx), c.timeout(), late(c.timeout()))
	defer cancel()
	var told Explanation
	err = s.inRoom(limited, c.plan.ds, func(at visit) error {
		explainer, ok := at.conn.(Explainer)
		if !ok {
			return problem.New(problem.Conflict, "explain_unsupported", "this type of datasource does not tell how it runs a query")
		}
		told, err = explainer.Explain(limited, c.statement(c.rowLimit()))
		return err
	})
	if err != nil {
		return Explanation{}, s.shown(ctx, c.fault(limited, err))
	}
	if told.Lines == nil {
		told.Lines = []string{}
	}
	return told, nil
}
