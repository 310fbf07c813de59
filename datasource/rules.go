package datasource

import "github.com/jetadmin/jetadmin/problem"

// Rules are declared parameters that are ready to judge values: for connectors
// whose operations declare parameters of their own. They are immutable.
type Rules struct{ list []rule }

// NewRules checks declarations. used lists the names that the operation needs: it
// must be exactly those that are declared. All that is wrong is one Invalid error.
func NewRules(params []Param, used []string) (Rules, error) {
	var faults problem.Faults
	r := Rules{newRules(params, used, &faults)}
	return r, faults.Err("params_invalid", "the parameters are not valid")
}

// Bind gives each parameter its value, as a [Statement] holds it, or tells all
// that is wrong with them in one Invalid error.
func (r Rules) Bind(given map[string]any) (map[string]any, error) { return bind(r.list, given) }

// Check tells what is wrong with values some of which are not known yet.
func (r Rules) Check(given map[string]any, unknown func(value any) bool) error {
	return bindKnown(r.list, given, unknown)
}
