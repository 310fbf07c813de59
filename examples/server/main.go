// Command server runs a whole control plane as a program of its own, with a demo
// shop to look around in.
//
//	go run ./examples/server
//
// Everything is kept below -data. With -postgres and -redis the same program
// shares its work with others that are started alike.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/jetadmin/jetadmin/problem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && err != errUsage {
		fmt.Fprintln(os.Stderr, "server: "+explain(err))
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	addr     string
	allow    list
	data     string
	demo     bool
	json     bool
	postgres string
	redis    string
	watch    string
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// errUsage is in every complaint about the flags, and alone when the flag package
// has told what is wrong.
var errUsage = errors.New("see -help")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.data, "data", "./jetadmin-data", "`folder` of the database, the key and the files of datasources")
	flags.Var(&o.allow, "allow", "`host:port` that datasources and http nodes may reach although it is not public; may be repeated")
	flags.BoolVar(&o.demo, "demo", true, "make a demo account and shop at the first start")
	flags.BoolVar(&o.json, "json", false, "announce the server as one line of JSON, for scripts")
	flags.StringVar(&o.postgres, "postgres", "", "`DSN` of a PostgreSQL database to use instead of a file in -data")
	flags.StringVar(&o.redis, "redis", "", "`address`, or URL, of a Redis that connects several servers; needs -postgres")
	flags.StringVar(&o.watch, "watch", "", "do not serve: watch the `run` with this id on the server at -addr, with the token in "+tokenVariable)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments besides flags: %q: %w", flags.Arg(0), errUsage)
	}
	if o.watch != "" {
		return watch(ctx, o.addr, os.Getenv(tokenVariable), o.watch, stdout, stderr)
	}
	return serve(ctx, o, stdout, stderr)
}

// explain makes one line of an error: what is wrong and what to do about it.
func explain(err error) string {
	line := err.Error()
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Internal {
		line = p.Message
		for _, f := range p.Faults {
			line += "; " + f.Path + " " + f.Message
		}
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
