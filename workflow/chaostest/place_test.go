//go:build unix

package chaostest

import (
	"net/url"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/store"
)

// place is where the processes meet.
type place struct {
	DSN, Schema string
	Redis       redisPlace
	Queue       string
}

type redisPlace struct {
	Addr, Username, Password string
	DB                       int
}

func (p redisPlace) open() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: p.Addr, Username: p.Username, Password: p.Password, DB: p.DB})
}

// open opens the database under a name that the server knows the connections by.
func (p place) open(application string, wraps ...store.Wrap) (*store.DB, error) {
	dsn := p.DSN + " application_name=" + application
	if u, err := url.Parse(p.DSN); err == nil && u.Scheme != "" {
		query := u.Query()
		query.Set("application_name", application)
		u.RawQuery = query.Encode()
		dsn = u.String()
	}
	pool, err := store.OpenPostgres(dsn, wraps...)
	if err != nil {
		return nil, err
	}
	return store.New(pool, store.PostgreSQL, p.Schema)
}
