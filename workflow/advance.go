package workflow

// nodeState is what the database knows of a node of a run. A node without a row
// has the zero state: pending, no edge decided.
type nodeState struct {
	Status  NodeStatus
	Decided int // incoming edges that are taken or dead
	Taken   int // of these, the taken ones
}

// advance says what follows from the end of a node: port is the output port
// whose edges are taken, all its other edges are dead ("" = all of them). known
// holds the state of every join of the run; a node with one incoming edge needs
// none. The result holds the new state of each node that an edge reached, in the
// order in which they were reached: ready, skipped, or still pending.
//
// It is the whole semantics of edges, and pure, so that it can be tested without
// a database.
func (p *plan) advance(known map[string]nodeState, key, port string) []change {
	type ended struct{ key, port string }
	states := make(map[string]nodeState)
	var order []string
	for queue := []ended{{key, port}}; len(queue) > 0; queue = queue[1:] {
		for _, e := range p.nodes[queue[0].key].out {
			state, seen := states[e.To]
			if !seen {
				state = known[e.To]
				order = append(order, e.To)
			}
			state.Decided++
			if e.Port == queue[0].port {
				state.Taken++
			}
			if state.Status == "" || state.Status == NodePending {
				state.Status = p.nodes[e.To].decide(state)
				if state.Status == NodeSkipped {
					queue = append(queue, ended{e.To, ""})
				}
			}
			states[e.To] = state
		}
	}
	changes := make([]change, 0, len(order))
	for _, k := range order {
		changes = append(changes, change{key: k, state: states[k]})
	}
	return changes
}

type change struct {
	key   string
	state nodeState
}

// decide is the rule of the joins: ready, skipped, or pending until more edges
// are decided.
func (n *planNode) decide(s nodeState) NodeStatus {
	switch n.policy.Join {
	case JoinAny:
		switch {
		case s.Taken > 0:
			return NodeReady
		case s.Decided == n.in:
			return NodeSkipped
		}
	case JoinAllSucceeded:
		switch {
		case s.Taken == n.in:
			return NodeReady
		case s.Taken < s.Decided:
			return NodeSkipped
		}
	default:
		switch {
		case s.Decided < n.in:
		case s.Taken > 0:
			return NodeReady
		default:
			return NodeSkipped
		}
	}
	return NodePending
}
