package datasource

import "github.com/jetadmin/jetadmin/internal/throttle"

// probesPerMinute are connection tests of a tenant: they make this server connect to
// addresses of the caller's choice.
const probesPerMinute = 20

// perMinute bounds what each tenant begins in a minute.
func (c Config) perMinute(name string, n int, code, what string) *throttle.Throttle {
	return throttle.New(throttle.Config{Name: name, Rate: throttle.PerMinute(n), Code: code, What: what, Shared: c.Limiter})
}
