package shop

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	timeLayout = time.DateTime
	dateLayout = time.DateOnly
)

// inventor makes up the content of the shop. The dice have a fixed seed: they
// fall the same way each time.
type inventor struct {
	dice   *rand.Rand
	opened time.Time
	closed time.Time
	joined []time.Time // when each customer came, in the order of the ids
	prices []int       // of each product, in cents
}

// invent returns the tables in the order in which they refer to each other.
func invent() []*table {
	i := &inventor{
		dice:   rand.New(rand.NewPCG(2023, 77)),
		opened: time.Date(2023, 1, 2, 8, 0, 0, 0, time.UTC),
		closed: time.Date(2025, 6, 30, 20, 0, 0, 0, time.UTC),
	}
	customers, products := i.customers(), i.products()
	orders, lines := i.orders()
	return []*table{customers, products, orders, lines}
}

// moment is the k-th of n moments in time order. With a bend above 1 there are
// more of them early, below 1 more of them late.
func (i *inventor) moment(k, n int, bend float64) time.Time {
	share := math.Pow((float64(k)+i.dice.Float64())/float64(n), bend)
	return i.opened.Add(time.Duration(share * float64(i.closed.Sub(i.opened)))).Truncate(time.Second)
}

// chance is true in so many of a hundred cases.
func (i *inventor) chance(percent int) bool { return i.dice.IntN(100) < percent }

// between is a whole number, both ends included.
func (i *inventor) between(low, high int) int { return low + i.dice.IntN(high-low+1) }

func pick[T any](i *inventor, list []T) T { return list[i.dice.IntN(len(list))] }

// maybe is a value, or null in so many of a hundred cases.
func (i *inventor) maybe(percentNull int, v any) any {
	if i.chance(percentNull) {
		return nil
	}
	return v
}
