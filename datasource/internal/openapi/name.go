package openapi

import "fmt"

// names are those that are taken, each with the number that the next of the same
// name is tried with: so however many are the same, none is tried twice.
type names map[string]int

// take is the name, or with a number behind it one that is not taken.
func (n names) take(name, separator string) string {
	next, taken := n[name]
	if !taken {
		n[name] = 2
		return name
	}
	for ; ; next++ {
		numbered := fmt.Sprintf("%s%s%d", name, separator, next)
		if _, taken := n[numbered]; !taken {
			n[name], n[numbered] = next+1, 2
			return numbered
		}
	}
}
