package jetadmin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/jetadmin/jetadmin"
)

// A whole control plane below /admin of a server that is there already. With
// nothing else set it keeps a SQLite file in DataDir.
func Example_embed() {
	dir, err := os.MkdirTemp("", "jetadmin")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	app, err := jetadmin.New(jetadmin.Config{BasePath: "/admin", DataDir: dir})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer app.Stop(ctx)

	mux := http.NewServeMux()
	mux.Handle("/admin/", app)

	server := httptest.NewServer(mux) // the host's own http.Server
	defer server.Close()
	reply, err := server.Client().Get(server.URL + "/admin/healthz")
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	fmt.Println(reply.Status)
	// Output: 200 OK
}
