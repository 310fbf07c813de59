package realtime_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/jetadmin/jetadmin/internal/testdb"
)

func TestMain(m *testing.M) {
	if size, err := strconv.Atoi(os.Getenv(crowdEnv)); err == nil {
		if err := beCrowd(size, os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "crowd:", err)
			os.Exit(1)
		}
		return
	}
	testdb.Main(m)
}
