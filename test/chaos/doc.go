// Package chaos holds the ring of real servers on a network that is harmed:
// each member is a process in a network namespace of its own, and a nemesis
// kills, pauses and wipes members and cuts the network between them, from a
// seed, while clients of three makers work. What the clients were told is then
// judged, and all members must have one tree. It is tests only.
//
// The test needs namespaces of its own, so it runs itself again in fresh ones;
// with it everything that it has made is gone, however it ends. `make chaos`
// plays a bounded share, `make chaos CHAOSSEEDS=100` a campaign, and
//
//	ZOOID_INTEROP=1 go test ./test/chaos -v -seed 7 -members 5 -lasts 20s
//
// one seed. A seed gives the same faults at the same times; which member leads
// when the leader is struck, and what the clients have under way, is real.
// TestTwoNetworks (twonets_test.go) is about members with two addresses each.
// -kind java puts Apache's server in the place of ours, which shows whether
// an expectation is one.
package chaos
