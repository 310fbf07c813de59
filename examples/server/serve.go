package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin"
)

const (
	patience     = 10 * time.Second // with a database that does not answer
	farewell     = 15 * time.Second // for requests and workflow nodes under way
	headerSlowly = 10 * time.Second // for a client to send its headers
)

// serve runs the server until ctx ends.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	// The port comes first: without it nothing is touched.
	listener, err := listen(ctx, o.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	level := new(slog.LevelVar)
	config, closers, err := configure(ctx, o)
	defer func() {
		for _, c := range closers {
			err = errors.Join(err, c.Close())
		}
	}()
	if err != nil {
		return err
	}
	config.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	app, err := jetadmin.New(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopApp(app)) }()

	level.Set(slog.LevelWarn) // no need for the one-time token: the demo makes the first account, else a command is printed
	if err := start(ctx, app, config); err != nil {
		return err
	}
	a := announcement{URL: "http://" + reachable(listener)}
	if o.demo {
		if a.demo, err = prepareDemo(ctx, app, config.DataDir); err != nil {
			return err
		}
	} else if a.SetupToken, err = app.Auth().PrepareSetup(ctx); err != nil {
		return err
	}
	level.Set(slog.LevelInfo)
	return handle(ctx, app, listener, func() error { return a.write(stdout, o.json) })
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use: choose another with -addr", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("-addr: %w", err)
	}
	return listener, nil
}

// configure opens what the flags name. What is to be closed is returned with an
// error, too.
func configure(ctx context.Context, o options) (config jetadmin.Config, closers []io.Closer, err error) {
	config.DataDir = o.data
	config.Egress.AllowHosts = o.allow
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if o.postgres != "" {
		db, err := jetadmin.OpenPostgres(o.postgres)
		if err != nil {
			return config, closers, fmt.Errorf("-postgres: %w", err)
		}
		closers = append(closers, db)
		if err := db.PingContext(ctx); err != nil {
			return config, closers, fmt.Errorf("-postgres: the database cannot be reached: %w", err)
		}
		config.DB = db
	}
	if o.redis != "" {
		if o.postgres == "" {
			return config, closers, fmt.Errorf("-redis connects several servers, which need a database in common: give -postgres, too: %w", errUsage)
		}
		options, err := redisOptions(o.redis)
		if err != nil {
			return config, closers, fmt.Errorf("-redis: %w", err)
		}
		client := redis.NewClient(options)
		closers = append(closers, client)
		if err := client.Ping(ctx).Err(); err != nil {
			return config, closers, fmt.Errorf("-redis: the server cannot be reached: %w", err)
		}
		config.Redis = client
	}
	return config, closers, nil
}

// redisOptions reads a host and port, or a URL like redis://user:password@host:6379/1.
func redisOptions(address string) (*redis.Options, error) {
	if strings.Contains(address, "://") {
		return redis.ParseURL(address)
	}
	return &redis.Options{Addr: address}, nil
}

// start migrates a database that is not the App's own, then starts the App.
func start(ctx context.Context, app *jetadmin.App, config jetadmin.Config) error {
	if config.DB != nil {
		if err := app.Migrate(ctx); err != nil {
			return err
		}
	}
	return app.Start(ctx)
}

func stopApp(app *jetadmin.App) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	return app.Stop(ctx)
}

// handle answers requests until ctx ends; announce is called once it does.
func handle(ctx context.Context, handler http.Handler, listener net.Listener, announce func() error) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerSlowly}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	err := announce()
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended:
		}
	}
	leaving, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if late := server.Shutdown(leaving); err == nil {
		err = late
	}
	return err
}

// reachable is the address to call from this machine.
func reachable(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", addr.Port)
	}
	return addr.String()
}
