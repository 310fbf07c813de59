//go:build unix

package chaostest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// entry is a line of the ledger.
type entry struct {
	RunID, Key     string
	IdempotencyKey string
	Attempt        int
	Worker         string
	Done           bool   // it came to an end
	Stored         bool   // the worker has stored that it did; with neither, it begins
	Mark           string // of this execution: its output
	Saw            map[string]any
	At             time.Time
}

// ledger is the page that one process writes.
type ledger struct {
	file   *os.File
	worker string
	marks  atomic.Int64
}

func openLedger(dir, worker string) (*ledger, error) {
	file, err := os.OpenFile(filepath.Join(dir, worker+".ledger"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &ledger{file: file, worker: worker}, err
}

// write adds a line, all of it or nothing.
func (l *ledger) write(e entry) error {
	e.Worker, e.At = l.worker, time.Now()
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(b, '\n'))
	return err
}

// readLedger reads the pages of all processes, each in its order.
func readLedger(t testing.TB, dir string) []entry {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(dir, "*.ledger"))
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for _, page := range pages {
		file, err := os.Open(page)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var e entry
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v: %s", page, err, lines.Bytes())
			}
			all = append(all, e)
		}
		_ = file.Close()
	}
	return all
}

// beginnings are the lines of nodes that begin, of those that ok chooses.
func beginnings(all []entry, ok func(entry) bool) (list []entry) {
	for _, e := range all {
		if !e.Done && !e.Stored && ok(e) {
			list = append(list, e)
		}
	}
	return list
}
