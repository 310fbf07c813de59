package shop

import (
	"encoding/json"

	"github.com/jetadmin/jetadmin/datasource"
)

// OpenOrders is the name of the query that the demo workflow runs.
const OpenOrders = "Open orders"

// Queries are the saved queries of the demo, on a datasource of the type
// "sqlite". Those whose parameters have defaults run with none; the first is
// [OpenOrders].
func Queries(datasourceID string) []datasource.NewQuery {
	one := func(name, description, text string, params ...datasource.Param) datasource.NewQuery {
		return datasource.NewQuery{
			Name: name, Description: description, DatasourceID: datasourceID, Operation: statement(text), Params: params,
		}
	}
	return []datasource.NewQuery{
		one(OpenOrders, "Orders in a state, the dearest first.", openOrders,
			datasource.Param{Name: "status", Type: datasource.ParamString, Default: "pending", Enum: statuses()},
			datasource.Param{Name: "min_total", Type: datasource.ParamNumber, Default: 100, Min: new(0.0)},
			datasource.Param{Name: "limit", Type: datasource.ParamInteger, Default: 20, Min: new(1.0), Max: new(1000.0)}),
		one("Revenue by country", "What was sold, cancelled and returned orders apart.", revenueByCountry,
			datasource.Param{Name: "from", Type: datasource.ParamDate, Default: "2025-01-01"},
			datasource.Param{Name: "to", Type: datasource.ParamDate, Default: "2025-06-30"}),
		one("Best sellers", "Products by the number sold, of all categories or some.", bestSellers,
			datasource.Param{Name: "categories", Type: datasource.ParamString.List(), Default: []any{"coffee", "tea"}},
			datasource.Param{Name: "limit", Type: datasource.ParamInteger, Default: 10, Min: new(1.0), Max: new(100.0)}),
		one("Find customers", "Customers by a part of the name or address.", findCustomers,
			datasource.Param{Name: "part", Type: datasource.ParamString, Default: "ü", MaxLength: 100}),
		one("Order", "The lines of one order.", orderLines,
			datasource.Param{Name: "id", Type: datasource.ParamInteger, Required: true, Description: "number of the order"}),
	}
}

func statement(text string) json.RawMessage {
	b, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		panic(err) // a map of strings can always be written
	}
	return b
}

func statuses() []any {
	return []any{"pending", "paid", "shipped", "delivered", "cancelled", "returned"}
}

const openOrders = `SELECT t.order_id, c.name AS customer, t.country, t.status, t.ordered_at, t.total, o.note
FROM order_totals t
JOIN orders o ON o.id = t.order_id
JOIN customers c ON c.id = t.customer_id
WHERE t.status = {{ status }} AND t.cents >= 100 * {{ min_total }}
ORDER BY t.cents DESC, t.order_id
LIMIT {{ limit }}`

const revenueByCountry = `SELECT country, count(*) AS orders, printf('%d.%02d', sum(cents) / 100, sum(cents) % 100) AS revenue
FROM order_totals
WHERE status NOT IN ('cancelled', 'returned')
	AND ordered_at >= {{ from }} AND ordered_at < date({{ to }}, '+1 day')
GROUP BY country
ORDER BY sum(cents) DESC`

const bestSellers = `SELECT p.sku, p.name, p.category, sum(l.quantity) AS sold, p.weight_kg, p.discontinued_on
FROM order_lines l
JOIN products p ON p.id = l.product_id
WHERE p.category IN ({{ categories }})
GROUP BY p.id
ORDER BY sold DESC, p.id
LIMIT {{ limit }}`

const findCustomers = `SELECT id, name, email, country, city, phone, birthday, newsletter, created_at
FROM customers
WHERE instr(name, {{ part }}) > 0 OR instr(email, {{ part }}) > 0
ORDER BY name, id`

const orderLines = `SELECT l.line, p.sku, p.name, l.quantity, printf('%d.%02d', l.price_cents / 100, l.price_cents % 100) AS price
FROM order_lines l
JOIN products p ON p.id = l.product_id
WHERE l.order_id = {{ id }}
ORDER BY l.line`
