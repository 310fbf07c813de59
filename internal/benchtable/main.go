// Command benchtable prints the targets of the engine beside what a run of the
// benchmarks came to. It reads the output of "go test -bench" and passes it on:
//
//	go test -run '^$' -bench . ./... | go run ./internal/benchtable
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	figures, err := read(io.TeeReader(os.Stdin, os.Stdout))
	if err := errors.Join(err, write(os.Stdout, figures)); err != nil {
		log.Fatal(err)
	}
}

// figure names a metric of a benchmark.
type figure struct{ benchmark, unit string }

var errFailed = errors.New("some benchmarks failed")

// read collects the metrics in the output of "go test -bench".
func read(r io.Reader) (figures map[figure]float64, err error) {
	figures = make(map[figure]float64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "FAIL") {
			err = errFailed // go test is the first of a pipe, whose exit code is lost
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				figures[figure{name, fields[i+1]}] = v
			}
		}
	}
	return figures, errors.Join(err, lines.Err())
}

// write prints the table. A target whose benchmark did not run has no figure.
func write(w io.Writer, figures map[figure]float64) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nwhat\ttarget\tfigure\t\t")
	for _, g := range targets {
		v, ran := figures[g.figure]
		limit := g.limit
		if g.of != (figure{}) {
			yardstick, ok := figures[g.of]
			limit, ran = limit*yardstick, ran && ok
		}
		text, verdict := "-", "not run"
		if ran {
			text, verdict = number(v)+" "+g.unit, g.verdict(v, limit)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", g.what, g.bound(limit, ran), text, verdict)
	}
	for _, y := range yardsticks {
		if v, ran := figures[y.figure]; ran {
			fmt.Fprintf(t, "%s\t\t%s %s\tyardstick\t\n", y.what, number(v), y.unit)
		}
	}
	return t.Flush()
}

func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
