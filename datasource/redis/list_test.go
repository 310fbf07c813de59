package redis

import (
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/jetadmin/jetadmin/internal/testdb"
)

// Each command of the list is for the server what it is for the list.
func TestT86_TheListIsTheServers(t *testing.T) {
	t.Parallel()
	rdb := goredis.NewClient(testdb.Redis(t))
	defer rdb.Close()
	for _, g := range commands() {
		for name := range strings.SplitSeq(g.names, ", ") {
			if refusal(name) != "is not a command that a query can use" {
				t.Errorf("%s is in the list and refused", name)
			}
			reply, err := rdb.Do(t.Context(), "COMMAND", "INFO", strings.ToLower(strings.ReplaceAll(name, " ", "|"))).Slice()
			if err != nil || len(reply) != 1 {
				t.Fatalf("%s: %v, %v", name, reply, err)
			}
			entry, ok := reply[0].([]any)
			if !ok {
				t.Errorf("%s: the server does not know it", name)
				continue
			}
			flags := map[any]bool{}
			for _, flag := range entry[2].([]any) {
				flags[flag] = true
			}
			blocks := flags["blocking"] && name != "XREAD"
			if flags["write"] && !g.writes || !g.writes && !g.known && !onlyReads(reply) || flags["admin"] || flags["noscript"] && !g.known || blocks {
				t.Errorf("%s: the server calls it %v", name, entry[2])
			}
		}
	}
}
