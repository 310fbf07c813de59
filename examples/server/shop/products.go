package shop

import (
	"fmt"
	"strings"
	"time"
)

func (i *inventor) products() *table {
	t := &table{name: "products", columns: []string{
		"id", "sku", "name", "category", "price_cents", "weight_kg", "discontinued_on",
	}}
	for n, g := range goods() {
		for _, s := range sizes() {
			price := g.cents * s.percent / 100
			i.prices = append(i.prices, price)
			var weight any
			if g.grams > 0 {
				weight = float64(g.grams*s.times) / 1000
			}
			t.add(
				len(i.prices),
				fmt.Sprintf("%s-%03d-%s", strings.ToUpper(g.category[:3]), n+1, s.name),
				g.name+" "+s.name,
				g.category,
				price,
				weight,
				i.maybe(92, i.closed.Add(-time.Duration(i.between(10, 300))*24*time.Hour).Format(dateLayout)),
			)
		}
	}
	return t
}
