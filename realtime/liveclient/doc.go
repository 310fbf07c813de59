// Package liveclient is a client of the live events of package realtime, for
// programs and tests.
//
//	client, err := liveclient.Dial(ctx, "https://admin.example.com/api/v1/ws", liveclient.Options{Token: token})
//	…
//	defer client.Close()
//	err = client.Subscribe("run:"+id, 0)
//	for m, err := range client.All(ctx) {
//		…
//	}
//
// The messages of all topics come one after the other, those of a topic in the
// order of their numbers and each once. A client whose connection is lost connects
// again by itself and goes on where it was; what the server no longer holds is told
// as a [Gap]. It ends for good when its credential is refused or is over, and when
// it has broken a rule of the protocol: then Next says why.
//
// [Client.Send] gives something to what a topic is about, such as an answer to a run, and
// returns what that says.
//
// A client holds [Options].Buffer messages and waits with reading when nobody takes
// them. The server then does with it what it does with every slow reader: it leaves
// out states that a newer one has replaced, and ends the connection in the end,
// which the client begins again once there is room.
package liveclient
