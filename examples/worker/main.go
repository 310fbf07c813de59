// Command worker only executes workflows: those that servers on the same
// PostgreSQL and Redis start.
//
//	go run ./examples/server -postgres DSN -redis ADDR
//	go run ./examples/worker -postgres DSN -redis ADDR
//
// It needs the key of the server, to open the secrets of datasources, and its
// files, when there are datasources of the type sqlite: on one machine both are
// in the server's -data. It listens to nobody, except on -health.
//
// A program of your own that runs the same way differs in its node types only:
// every process that executes needs all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/problem"
)

func main() {
	redis.SetLogger(quiet{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stderr)
	if err != nil && err != errUsage {
		fmt.Fprintln(os.Stderr, "worker: "+explain(err))
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// errUsage is in every complaint about the flags, and alone when the flag package
// has told what is wrong.
var errUsage = errors.New("see -help")

// quiet drops what the Redis client prints about its attempts: the error that
// they end with is told once, by whoever gets it.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// options are what the flags say.
type options struct {
	data     string
	health   string
	key      string
	postgres string
	redis    string
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.data, "data", "./jetadmin-data", "`folder` of the key and of the files of datasources, as the server's")
	flags.StringVar(&o.health, "health", "", "`address` to answer /healthz and /readyz on; without it nothing listens")
	flags.StringVar(&o.key, "key", "", "`file` of the server's key; default: the file key in -data")
	flags.StringVar(&o.postgres, "postgres", "", "`DSN` of the server's PostgreSQL database; required")
	flags.StringVar(&o.redis, "redis", "", "`address`, or URL, of the server's Redis; required")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		return fmt.Errorf("there are no arguments besides flags: %q: %w", flags.Arg(0), errUsage)
	case o.postgres == "":
		return fmt.Errorf("-postgres is missing: the DSN of the server's database: %w", errUsage)
	case o.redis == "":
		return fmt.Errorf("-redis is missing: the address of the server's Redis: %w", errUsage)
	}
	if o.key == "" {
		o.key = filepath.Join(o.data, "key")
	}
	return work(ctx, o, stderr)
}

// explain makes one line of an error: what is wrong and what to do about it.
func explain(err error) string {
	line := err.Error()
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Internal {
		line = p.Message
		if p.Remedy != "" {
			line += ": " + p.Remedy
		}
	}
	return oneLine(line)
}

// oneLine joins the lines of a text, each told once: the PostgreSQL driver
// repeats a failure for every way in which it tried to connect.
func oneLine(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(line), " "); !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
