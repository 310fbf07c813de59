package redis

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// Config says what no datasource may reach.
type Config struct {
	// Mark gives a key and the value that it has in the Redis of the platform, asked
	// for each new connection. A datasource that reads that value there is refused
	// (own_database), and so is one that does not answer, or is a part of a cluster:
	// another number of the database, or a user without a right on the key, is let
	// in. nil, or no key = nothing is looked at. It must be safe for concurrent use.
	Mark func(ctx context.Context) (key, value string, err error)
}

// errUnknownMark is for a platform whose own Redis does not answer.
var errUnknownMark = problem.New(problem.Unavailable, "fence_unknown", "it cannot be found out whether the datasource is the Redis of this application").
	Fix("try again when the Redis of the application answers")

// fence lets nobody in who could read or change what the platform keeps (T88).
func (c Config) fence(ctx context.Context, l *link) error {
	if c.Mark == nil {
		return nil
	}
	key, value, err := c.Mark(ctx)
	if err != nil {
		return errUnknownMark.Because(err)
	}
	if key == "" {
		return nil
	}
	found, err := l.do(ctx, loginBytes, "GET", key)
	if keepsToItself(err) || redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil // it may not read, or something else has that key
	}
	if err == nil && found == value {
		return problem.New(problem.Upstream, "own_database", "this is the Redis of this application itself").
			Fix("use another server, another number of the database, or a user that has no right on the application's keys")
	}
	return err
}

// enter connects, and looks whether it may.
func (c Config) enter(ctx context.Context, s datasource.Settings) (*link, error) {
	l, err := dial(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	if err := c.fence(ctx, l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}
