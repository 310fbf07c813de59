package testdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// MySQLDatabase is an empty database of a test's own and how to reach it.
type MySQLDatabase struct {
	Host, Port     string
	User, Password string // of an account that may do everything
	Name           string
	CA             string // what the server's certificate for Host is signed with, PEM; "" = unknown
	Admin          *sql.DB
}

// MySQL makes an empty database of the test's own in a MariaDB or MySQL server,
// dropped when the test ends. The server is that of JETADMIN_TEST_MYSQL, or a
// private one that is started on first use where mariadbd is installed. Without a
// server the test is skipped.
func MySQL(t testing.TB) MySQLDatabase {
	t.Helper()
	server, err := mysqlServer()
	if err != nil {
		without(t, "mysql", err)
	}
	db := *server
	db.Name = "jetadmin_" + strings.ToLower(rand.Text())
	if _, err := db.Admin.ExecContext(t.Context(), "CREATE DATABASE "+db.Name+" CHARACTER SET utf8mb4"); err != nil {
		t.Fatal("testdb: ", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := db.Admin.ExecContext(ctx, "DROP DATABASE "+db.Name); err != nil {
			t.Errorf("testdb: drop the database of the test: %v", err)
		}
	})
	return db
}

// mysqlServer is the server that the tests of this binary share, without a
// database.
var mysqlServer = sync.OnceValues(func() (*MySQLDatabase, error) {
	server, err := mysqlGiven()
	if err == nil && server == nil {
		server, err = startMySQL()
	}
	if err != nil {
		return nil, err
	}
	server.Admin = server.open()
	onStop(func() { _ = server.Admin.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := server.Admin.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("reach MySQL: %w", err)
	}
	return server, nil
})

// mysqlGiven reads JETADMIN_TEST_MYSQL, a DSN of the Go driver such as
// "root:secret@tcp(127.0.0.1:3306)/".
func mysqlGiven() (*MySQLDatabase, error) {
	given := os.Getenv("JETADMIN_TEST_MYSQL")
	if given == "" {
		return nil, nil
	}
	cfg, err := driver.ParseDSN(given)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	return &MySQLDatabase{Host: host, Port: port, User: cfg.User, Password: cfg.Passwd}, err
}

func (m *MySQLDatabase) open() *sql.DB {
	cfg := driver.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = "tcp", net.JoinHostPort(m.Host, m.Port), m.User, m.Password
	cfg.Logger = &driver.NopLogger{} // a server that starts refuses connections
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		panic(err) // of a config that is written above
	}
	return sql.OpenDB(connector)
}

// startMySQL starts a private MariaDB on a free loopback port. It keeps nothing.
func startMySQL() (*MySQLDatabase, error) {
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		return nil, errors.New("mariadb-install-db is not installed, and JETADMIN_TEST_MYSQL is not set")
	}
	program, err := sbin("mariadbd")
	if err != nil {
		return nil, errors.New("mariadbd is not installed, and JETADMIN_TEST_MYSQL is not set")
	}
	home, err := newHome("jetadmin-mysql-")
	if err != nil {
		return nil, err
	}
	server, err := home.startMySQL(install, program)
	if err != nil {
		return nil, errors.Join(err, home.remove())
	}
	return server, nil
}

func (h home) startMySQL(install, program string) (*MySQLDatabase, error) {
	server := &MySQLDatabase{Host: "127.0.0.1", User: "jetadmin", Password: rand.Text()}
	err := h.run(install, "--no-defaults", "--datadir="+h.path("data"), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=8M")
	if err == nil {
		err = h.write("init.sql", fmt.Sprintf("DROP USER IF EXISTS 'root'@'localhost', 'root'@'127.0.0.1', 'root'@'::1';\n"+
			"CREATE USER jetadmin@'127.0.0.1' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO jetadmin@'127.0.0.1' WITH GRANT OPTION;\n", server.Password))
	}
	if err == nil {
		server.CA, err = h.certify(server.Host)
	}
	if err == nil {
		server.Port, err = freePort()
	}
	if err != nil {
		return nil, err
	}
	stop, err := h.start("TERM", program, "--no-defaults", "--datadir="+h.path("data"), "--init-file="+h.path("init.sql"),
		"--bind-address="+server.Host, "--port="+server.Port, "--socket="+h.path("socket"), "--pid-file="+h.path("pid"),
		"--ssl-cert="+h.path("cert.pem"), "--ssl-key="+h.path("key.pem"), "--secure-file-priv="+h.dir,
		"--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--max-connections=300", "--performance-schema=OFF", "--local-infile=ON")
	if err != nil {
		return nil, err
	}
	onStop(stop)
	return server, h.await(func(ctx context.Context) error {
		db := server.open()
		defer db.Close()
		return db.PingContext(ctx)
	})
}
