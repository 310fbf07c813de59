package shop

import (
	"slices"
	"time"
)

// orders gives the orders and their lines: more of them each month.
func (i *inventor) orders() (orders, lines *table) {
	orders = &table{name: "orders", columns: []string{
		"id", "customer_id", "status", "ordered_at", "shipped_at", "coupon", "note",
	}}
	lines = &table{name: "order_lines", columns: []string{"order_id", "line", "product_id", "quantity", "price_cents"}}
	for id := 1; id <= Orders; id++ {
		ordered := i.moment(id-1, Orders, 0.75)
		status := i.status(i.closed.Sub(ordered))
		var shipped any
		if status == "shipped" || status == "delivered" || status == "returned" {
			shipped = ordered.Add(time.Duration(i.between(4*60, 4*24*60)) * time.Minute).Format(timeLayout)
		}
		orders.add(
			id,
			i.customerAt(ordered),
			status,
			ordered.Format(timeLayout),
			shipped,
			i.maybe(85, pick(i, []string{"WELCOME", "SUMMER-10", "FÜNFER", "春の感謝", "ЗНИЖКА5"})),
			i.maybe(92, pick(i, []string{"Bitte klingeln", "cadeau 🎁", "お急ぎください", "الرجاء الاتصال قبل التسليم", "leave at the door", "Без дзвінка, \"дякую\"!"})),
		)
		i.lines(lines, id, ordered)
	}
	return orders, lines
}

// status follows from the age of an order; a few pending ones were forgotten.
func (i *inventor) status(age time.Duration) string {
	n := i.dice.IntN(100)
	choose := func(names []string, upTo ...int) string {
		at := slices.IndexFunc(upTo, func(limit int) bool { return n < limit })
		return names[at]
	}
	switch days := age.Hours() / 24; {
	case days < 3:
		return choose([]string{"pending", "paid"}, 40, 100)
	case days < 10:
		return choose([]string{"paid", "shipped", "delivered", "cancelled"}, 25, 80, 95, 100)
	}
	return choose([]string{"delivered", "cancelled", "returned", "pending"}, 90, 96, 99, 100)
}

// customerAt picks who orders among those who were customers by then. Old
// customers order more.
func (i *inventor) customerAt(t time.Time) int {
	known, _ := slices.BinarySearchFunc(i.joined, t, time.Time.Compare)
	share := i.dice.Float64()
	return 1 + int(share*share*float64(max(known, 1)))
}

func (i *inventor) lines(t *table, order int, ordered time.Time) {
	count := pick(i, []int{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5})
	var products []int
	for len(products) < count {
		if p := i.between(1, Products); !slices.Contains(products, p) {
			products = append(products, p)
		}
	}
	// Prices went up by 3 % a year.
	percent := 100 - 3*(i.closed.Year()-ordered.Year())
	for n, product := range products {
		quantity := pick(i, []int{1, 1, 1, 1, 1, 2, 2, 2, 3, 6})
		t.add(order, n+1, product, quantity, i.prices[product-1]*percent/100)
	}
}
