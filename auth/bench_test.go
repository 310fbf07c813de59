package auth_test

import (
	"testing"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/store"
	"github.com/jetadmin/jetadmin/internal/testdb"
)

func benchmark(b *testing.B, prepare func(*bundle) (token string)) {
	for name, open := range map[string]func(testing.TB) *store.DB{"sqlite": testdb.SQLite, "postgres": testdb.Postgres} {
		b.Run(name, func(b *testing.B) {
			s := setup(b, open(b))
			r := request(b, "Authorization", "Bearer "+prepare(s))
			for b.Loop() {
				if _, err := s.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSession is the recognition of a session token.
func BenchmarkSession(b *testing.B) {
	benchmark(b, func(s *bundle) string {
		s.user(ada)
		token, _ := s.login(ada)
		return token
	})
}

// BenchmarkAPIKey is the recognition of an API key, without the database's part
// of finding the membership.
func BenchmarkAPIKey(b *testing.B) {
	benchmark(b, func(s *bundle) string {
		u := s.user(ada)
		_, secret, err := s.CreateKey(s.in(s.tenant(u), u), auth.NewKey{Name: "bench", Scopes: []auth.Permission{"*"}})
		if err != nil {
			b.Fatal(err)
		}
		return secret
	})
}

// BenchmarkLogin is a log-in at the real cost of a password.
func BenchmarkLogin(b *testing.B) {
	s := setup(b, testdb.SQLite(b))
	s.SetCost(19*1024, 2)
	s.user(ada)
	for b.Loop() {
		s.login(ada)
	}
}
