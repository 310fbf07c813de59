package shop

import (
	"fmt"
	"time"
)

func (i *inventor) customers() *table {
	t := &table{name: "customers", columns: []string{
		"id", "name", "email", "country", "city", "phone", "birthday", "newsletter", "created_at",
	}}
	for id := 1; id <= Customers; id++ {
		p := i.place()
		joined := i.moment(id-1, Customers, 1.5)
		i.joined = append(i.joined, joined)
		t.add(
			id,
			i.person(p),
			fmt.Sprintf("customer%04d@%s", id, pick(i, []string{"example.com", "example.org", "mail.example.net"})),
			p.country,
			i.maybe(6, pick(i, p.cities)),
			i.maybe(35, fmt.Sprintf("+%s %03d %07d", p.dialling, i.between(100, 999), i.between(0, 9_999_999))),
			i.maybe(40, time.Date(i.between(1945, 2006), time.Month(i.between(1, 12)), i.between(1, 28), 0, 0, 0, 0, time.UTC).Format(dateLayout)),
			i.chance(45),
			joined.Format(timeLayout),
		)
	}
	return t
}

// place picks a country by its weight; the weights add up to a hundred.
func (i *inventor) place() place {
	rest := i.dice.IntN(100)
	list := places()
	for _, p := range list {
		if rest -= p.weight; rest < 0 {
			return p
		}
	}
	return list[0]
}

func (i *inventor) person(p place) string {
	first, last, blank := pick(i, p.first), pick(i, p.last), " "
	if p.joined {
		blank = ""
	}
	if p.lastFirst {
		return last + blank + first
	}
	return first + blank + last
}
