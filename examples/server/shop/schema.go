package shop

// schema keeps money as whole cents, so that sums are exact; the views write it
// as decimals. Times are UTC.
const schema = `
CREATE TABLE customers (
	id         INTEGER PRIMARY KEY,
	name       TEXT NOT NULL,
	email      TEXT NOT NULL UNIQUE,
	country    TEXT NOT NULL, -- ISO 3166-1 alpha-2
	city       TEXT,
	phone      TEXT,
	birthday   DATE,
	newsletter BOOLEAN NOT NULL,
	created_at TIMESTAMP NOT NULL
);

CREATE TABLE products (
	id              INTEGER PRIMARY KEY,
	sku             TEXT NOT NULL UNIQUE,
	name            TEXT NOT NULL,
	category        TEXT NOT NULL,
	price_cents     INTEGER NOT NULL CHECK (price_cents > 0),
	weight_kg       DECIMAL(8,3),
	discontinued_on DATE
);

CREATE TABLE orders (
	id          INTEGER PRIMARY KEY,
	customer_id INTEGER NOT NULL REFERENCES customers (id),
	status      TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'returned')),
	ordered_at  TIMESTAMP NOT NULL,
	shipped_at  TIMESTAMP,
	coupon      TEXT,
	note        TEXT
);

CREATE TABLE order_lines (
	order_id    INTEGER NOT NULL REFERENCES orders (id),
	line        INTEGER NOT NULL,
	product_id  INTEGER NOT NULL REFERENCES products (id),
	quantity    INTEGER NOT NULL CHECK (quantity > 0),
	price_cents INTEGER NOT NULL, -- of one piece, when it was ordered
	PRIMARY KEY (order_id, line)
) WITHOUT ROWID;

CREATE VIEW order_totals AS
SELECT o.id AS order_id, o.customer_id, c.country, o.status, o.ordered_at, sum(l.quantity * l.price_cents) AS cents,
	printf('%d.%02d', sum(l.quantity * l.price_cents) / 100, sum(l.quantity * l.price_cents) % 100) AS total
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN order_lines l ON l.order_id = o.id
GROUP BY o.id;

CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_status ON orders (status, ordered_at);
CREATE INDEX orders_time ON orders (ordered_at);
CREATE INDEX order_lines_product ON order_lines (product_id);
`
