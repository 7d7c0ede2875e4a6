package replica

import (
	"testing"

	"zooid/internal/wire"
)

// TestConnectionThatTheClientLeft: a client whose requests do not come through
// gives its server up after two thirds of its timeout and goes on elsewhere.
// What it had sent to the old server, which the network may deliver much later,
// is not done then, behind what the client has been told since. The leader
// refuses it as long as it is the one at which the session moved; a new one
// knows nothing of that, so the old server has to.
func TestConnectionThatTheClientLeft(t *testing.T) {
	const fiveVoters = threeVoters + " server.4=h4:1:2:participant server.5=h5:1:2:participant"
	for _, test := range []struct {
		name, voters string
		old, next    int64 // the servers that the client leaves and goes to
	}{
		{"the old server leads next", threeVoters, 2, 1},
		{"the new one leads next", threeVoters, 1, 2},
		{"both follow", fiveVoters, 1, 2},
	} {
		t.Run(test.name, func(t *testing.T) { leave(t, test.voters, test.old, test.next) })
	}
}

func leave(t *testing.T, voters string, oldID, nextID int64) {
	const timeout = 6000
	c := newCluster(t, voters, nil)
	c.start()
	leader := c.serving()
	old, next := c.servers[oldID], c.servers[nextID]
	session := old.open(1, timeout, 0).SessionID
	late := old.req(1, wire.OpCreate, createReq("/late", "", 0))
	// Two that stay, of which one reads outside the core (Event.Touched).
	old.open(2, timeout, 0)
	old.open(3, timeout, 0)
	for range 5 {
		c.pass(timeout/7 + 1)
		old.ask(2, old.req(2, wire.OpPing, nil))
		old.post(Event{Kind: Tick, Touched: []ConnID{3}})
		c.settle()
	}
	if next.open(1, timeout, session).SessionID != session {
		t.Fatal("the session did not move")
	}
	c.isolate(leader.id)
	delete(c.servers, leader.id)
	c.serving()
	old.ask(1, late)
	c.pass(1000)
	if next.r.Tree().Lookup([]byte("/late")) != 0 {
		t.Error("a request of a connection that the client had left was done")
	}
	for _, conn := range []struct {
		at *server
		id ConnID
	}{{next, 1}, {old, 2}, {old, 3}} {
		if code := conn.at.code(conn.id, wire.OpSetData, setReq("/", "")); code != wire.CodeOK || conn.at.shut[conn.id] != "" {
			t.Errorf("server %d, connection %d, which is in use: %v, closed %q", conn.at.id, conn.id, code, conn.at.shut[conn.id])
		}
	}
}
