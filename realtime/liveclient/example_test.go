package liveclient_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/realtime"
	"github.com/jetadmin/jetadmin/realtime/liveclient"
)

// A program watches an order from the beginning, then another from now on.
func Example() {
	ctx := context.Background()
	hub, err := realtime.New(realtime.Config{
		AuthenticateToken: func(context.Context, string) (*auth.Principal, error) { return &auth.Principal{UserID: "ada"}, nil },
		Authorize: func(_ context.Context, who *auth.Principal, _ realtime.Topic) (*auth.Principal, error) {
			return who, nil
		},
		Revalidate: func(_ context.Context, who *auth.Principal) (*auth.Principal, error) { return who, nil },
	})
	if err != nil {
		panic(err)
	}
	if err := hub.Start(ctx); err != nil {
		panic(err)
	}
	defer hub.Stop(ctx)
	server := httptest.NewServer(hub)
	defer server.Close()
	_ = hub.Publish(ctx, "order:1", "order.paid", map[string]int{"cents": 1250})

	client, err := liveclient.Dial(ctx, server.URL, liveclient.Options{Token: "of a session, or an API key"})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	_ = client.Subscribe("order:1", 0)
	for m, err := range client.All(ctx) {
		switch {
		case err != nil:
			fmt.Println("the client has ended:", err)
		case m.Kind == liveclient.Event:
			fmt.Println(m.Topic, m.Type, string(m.Data))
			if m.Topic == "order:1" {
				_ = client.Subscribe("order:2", liveclient.Now)
			}
		case m.Kind == liveclient.Gap:
			fmt.Println(m.Topic, "has to be read again")
		case m.Kind == liveclient.Subscribed && m.Topic == "order:2":
			_ = hub.Publish(ctx, "order:2", "order.shipped", nil)
		}
		if err != nil || m.Type == "order.shipped" {
			break
		}
	}
	// Output:
	// order:1 order.paid {"cents":1250}
	// order:2 order.shipped null
}
