package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
	"github.com/jetadmin/jetadmin/examples/customnode"
	"github.com/jetadmin/jetadmin/workflow"
)

const (
	patience     = 10 * time.Second // with a server that does not answer
	farewell     = 30 * time.Second // for nodes under way; the rest goes to other processes
	headerSlowly = 5 * time.Second  // for a client to send its headers
)

// work executes nodes until ctx ends.
func work(ctx context.Context, o options, stderr io.Writer) (err error) {
	key, err := jetadmin.ReadKeyFile(o.key)
	if err != nil {
		return err
	}
	db, err := openPostgres(ctx, o.postgres)
	if err != nil {
		return fmt.Errorf("-postgres: %w", err)
	}
	defer db.Close()
	rdb, err := openRedis(ctx, o.redis)
	if err != nil {
		return fmt.Errorf("-redis: %w", err)
	}
	defer rdb.Close()

	logger := slog.New(slog.NewTextHandler(stderr, nil))
	app, err := jetadmin.New(jetadmin.Config{
		DB: db, DataDir: o.data, Keys: [][]byte{key}, Logger: logger, Nodes: nodes(), Redis: rdb,
	})
	if err != nil {
		return err
	}
	// The schema is the server's to migrate: Start refuses one that is not current.
	if err := app.Start(ctx); err != nil {
		return errors.Join(err, app.Stop(ctx))
	}
	logger.Info("the worker takes nodes")
	defer func() {
		leaving, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		err = errors.Join(err, app.Stop(leaving))
	}()
	if o.health == "" {
		<-ctx.Done()
		return nil
	}
	return answer(ctx, app, o.health, logger)
}

// nodes are the node types besides the built-in ones. Servers that define
// workflows with them have the same in their Config.
func nodes() []workflow.Node { return []workflow.Node{customnode.OpeningHours()} }

func openPostgres(ctx context.Context, dsn string) (*sql.DB, error) {
	db, err := jetadmin.OpenPostgres(dsn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the database cannot be reached: %w", err), db.Close())
	}
	return db, nil
}

// openRedis takes a host and port, or a URL like redis://user:password@host:6379/1.
func openRedis(ctx context.Context, address string) (*redis.Client, error) {
	options := &redis.Options{Addr: address}
	if strings.Contains(address, "://") {
		var err error
		if options, err = redis.ParseURL(address); err != nil {
			return nil, err
		}
	}
	client := redis.NewClient(options)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("the server cannot be reached: %w", err), client.Close())
	}
	return client, nil
}

// answer tells, until ctx ends, whoever supervises the process whether it lives.
// Of the App it shows nothing else.
func answer(ctx context.Context, app http.Handler, address string, logger *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("-health: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", app)
	mux.Handle("GET /readyz", app)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerSlowly}
	logger.Info("answering /healthz and /readyz", "address", listener.Addr().String())
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("-health: %w", err)
	}
	return nil
}
