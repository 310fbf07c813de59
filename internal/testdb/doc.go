// Package testdb gives tests real databases: a fresh, migrated one for each
// test, on every dialect the machine has.
//
//	func TestMain(m *testing.M) { testdb.Main(m) }
//
//	func TestRename(t *testing.T) {
//		t.Parallel()
//		testdb.Each(t, func(t *testing.T, db *store.DB) { … })
//	}
//
// SQLite is always there. PostgreSQL is the server of JETADMIN_TEST_POSTGRES (a
// DSN), or a private one that is started on first use where initdb and postgres
// are installed; Redis is the server of JETADMIN_TEST_REDIS (an address or a
// redis:// URL), or a private one where redis-server is installed; MySQL that of
// JETADMIN_TEST_MYSQL (a DSN of its Go driver), or a private MariaDB. An object store
// is there where the program versitygw is, see [S3]. What is missing skips its
// subtests, unless JETADMIN_TEST_REQUIRE=postgres,redis,mysql,s3 makes that a failure.
// The same goes for the programs node and nginx, see [Node] and [Program].
//
// Every pool a test gets is behind the tenant fence: a statement on a tenant's
// table that is not bound to a tenant, in its WHERE or the ON of an inner join, fails
// the test, see [Reporter]. What the fence cannot read it refuses: such a statement is
// written in a plainer way. One that runs across tenants on purpose says so in its
// text:
//
//	/* across tenants: the sweeper wakes what is due anywhere */
//
// The package imports store and its leaves, so that their own tests with a
// database are in external packages (store_test).
package testdb
