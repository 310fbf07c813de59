package mysql

import (
	"context"
	"net"
	"testing"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

// T58: a server at which the driver panics is an error, and is left alone for a
// while.
func TestT58_APanicOfTheDriverIsContained(t *testing.T) {
	t.Parallel()
	s, err := newServer(datasource.Settings{Values: map[string]any{"host": "db", "port": int64(1)}})
	if err != nil {
		t.Fatal(err)
	}
	dialled := 0
	s.dial = func(context.Context, string, string) (net.Conn, error) {
		dialled++
		panic("an index out of range")
	}
	conn := newConn(s)
	for range 3 {
		if err := conn.Ping(t.Context()); !problem.Is(err, problem.Upstream) {
			t.Errorf("got %v", err)
		}
	}
	if dialled != 1 {
		t.Errorf("dialled %d times", dialled)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// What a session may have been changed by is told from what it was not.
func TestTracesOfAStatement(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct{ traces, rows bool }{
		"SELECT 1":                        {false, false},
		"SELECT @a := 1":                  {true, false},
		"SELECT Get_Lock('x', 1)":         {true, false},
		"SELECT last_insert_id (7)":       {true, false},
		" \n insert\tINTO t VALUES (1)":   {false, true},
		"INSERTED INTO t":                 {false, false},
		"INSERT":                          {false, false},
		"/* x */ DELETE FROM t":           {false, false},
		"UPDATE t SET a = (SELECT @x:=1)": {true, true},
		"WITH a AS (SELECT 1) DELETE t":   {false, false},
	} {
		if got := leavesTraces(text); got != c.traces {
			t.Errorf("%q leaves traces: %v", text, got)
		}
		if got := changesRows(text); got != c.rows {
			t.Errorf("%q changes rows: %v", text, got)
		}
	}
}
