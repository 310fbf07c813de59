// Package realtime carries live events to browsers and programs over WebSocket.
//
// A [Hub] is an http.Handler for the upgrade and a Publish method for whoever
// has news. A topic ("run:<id>", "tenant:<id>") is a sequence of events; the hub
// knows nothing about kinds of topics, [Config].Authorize decides who may
// subscribe to what. A [Bus] numbers and keeps the events and carries them
// between processes: [NewMemoryBus] for one process, [NewRedisBus] for several.
//
// # Protocol
//
// Text frames of JSON. The client sends
//
//	{"id":"1","op":"auth","token":"…"}
//	{"id":"2","op":"subscribe","topic":"run:…","since":1764000000000123}
//	{"id":"3","op":"unsubscribe","topic":"run:…"}
//	{"id":"4","op":"send","topic":"run:…","type":"…","data":{…}}
//	{"op":"ping"}
//
// and receives
//
//	{"id":"2","op":"ok","topic":"run:…","seq":1764000000000123}
//	{"id":"4","op":"ok","topic":"tenant:…","data":{…}}
//	{"id":"2","op":"error","topic":"run:…","code":"not_found","detail":"…","remedy":"…"}
//	{"op":"event","topic":"run:…","seq":1764000000000124,"type":"run.updated","data":{…},"time":"…"}
//	{"op":"gap","topic":"run:…","from":1764000000000124,"to":1764000000000150}
//	{"op":"pong"}
//
// A connection without a credential in its cookie or header must send auth
// before anything else. The seq of the ok to a subscribe is the position from
// which the subscription goes on: every event that follows has a higher one. An
// error without an id says that a subscription has ended, because the right to
// its topic has.
//
// # Sequence
//
// The seq of a topic rises by one with each event. It starts at the time in
// microseconds at which the topic came to life, so that it goes on rising when
// Redis loses its data or a process its memory; it stays below 2^53 and is safe
// as a JavaScript number. A client that was away gives the last seq it saw as
// since and gets what it missed, or a gap for the part that history no longer
// holds: then it fetches the object again. A since of 0 asks for everything that
// history still holds. Events of some topics ([Config].OnDemand) are only made
// while somebody watches or may come back; the first to watch such a topic with
// since 0 begins with a gap of one number, and fetches the object too. An event with a [Event].Key tells a whole state; when a
// reader is slow, those that a newer one of the same key replaced are left out,
// without a gap.
//
// A topic of [Config].Views has no events of its own: it shows those of another one in
// words of its own, under their numbers, and leaves some out without a gap.
//
// # Limits
//
// Every limit has its close code, and a field in [Config]:
//
//	code  meaning                                                  limit, default           come back
//	1002  the protocol, of WebSocket or of Socket.IO, was broken                            no
//	1003  a binary frame                                           text only                no
//	1009  a frame is too large                                     MaxFrame, 256 KB         no
//	                                                               (8 KB before auth)
//	1012  the server restarts                                                               yes, at once
//	1013  the server cannot check credentials or rights now                                 yes, later
//	4400  a message was begun and not finished in time             WriteTimeout, 10 s       yes
//	4401  no valid credential in time, or it is no longer valid    AuthTimeout, 10 s        after signing in
//	4408  reads too slowly; the reason is "<topic> <seq>"          QueueSize, 256 frames    yes, with since=<seq>
//	                                                               QueueBytes, 4 MB
//	4413  too many topics                                          MaxTopics, 256           no
//	4429  too many messages                                        MaxMessages, 50 a second yes, later
//	4503  too many connections                                     MaxConnections, 20,000   yes, later
//	                                                               MaxPerCredential, 256
//	                                                               MaxPerAddress, 256 without one
//
// A connection that does not answer a ping is dropped without a code.
//
// # Socket.IO
//
// [Hub.ServeSocketIO] carries the same events to clients of Socket.IO 5, in the
// event names of the product whose pages they were written for. A protocol is no
// more than the frames: connections, topics, rights and limits are the same.
//
// # Rights
//
// The right to a topic is checked at subscribe and again at least every second
// ([Config].Recheck): who loses a role, a session or the membership loses his
// subscriptions within that time. Whatever goes wrong in such a check (an error,
// a panic, no answer in time) ends the connection.
package realtime
