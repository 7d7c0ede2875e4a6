package ensemble

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// TestSessions: a session belongs to the ensemble and not to the member that
// its client happens to be connected to. The promises share one ensemble.
func TestSessions(t *testing.T) {
	promises := []struct {
		name string
		hold func(t *testing.T, e *harness.Ensemble)
	}{
		{"a session goes on at any other member", sessionMoves},
		{"the connection that a session has left can write no more", oldConnectionRefused},
		{"a session ends at any member, its znodes go everywhere", closedElsewhere},
		{"a session that is over is refused by every member", overEverywhere},
		{"a session with a wrong password is refused by every member", wrongPassword},
		{"a silent session expires, not before its time, wherever it was", expiresAnywhere},
		{"a session that is heard only by a follower does not expire", keptByFollower},
		{"watches that are set again at another member tell of what was missed", watchesReplayed},
		{"a member behind a client takes it only when it has caught up", neverBack},
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		for _, p := range promises {
			t.Run(p.name, func(t *testing.T) { p.hold(t, e) })
		}
		t.Run("all members hold the same tree", func(t *testing.T) { checkEqual(t, e) })
	})
}

// tour calls f for each pair of different members.
func tour(e *harness.Ensemble, f func(from, to *harness.Member)) {
	for _, from := range e.Members() {
		for _, to := range e.Members() {
			if from != to {
				f(from, to)
			}
		}
	}
}

func open(t *testing.T, m *harness.Member, timeout time.Duration) (*raw.Conn, raw.Session) {
	t.Helper()
	c, s, err := raw.Connect(m.Addr(), int32(timeout.Milliseconds()))
	if err != nil {
		t.Fatalf("new session at member %d (%s): %v", m.ID, m.Kind(), err)
	}
	t.Cleanup(c.Close)
	return c, s
}

func resume(t *testing.T, m *harness.Member, s raw.Session) *raw.Conn {
	t.Helper()
	c, got, err := raw.Resume(m.Addr(), s)
	if err != nil || got.ID != s.ID || got.Timeout != s.Timeout {
		t.Fatalf("session 0x%x with %d ms goes to member %d (%s): %v, has 0x%x with %d ms", s.ID, s.Timeout, m.ID, m.Kind(), err, got.ID, got.Timeout)
	}
	t.Cleanup(c.Close)
	// Beyond whatever was sent on the connection before. Apache's followers tell
	// the requests of a session apart by their xids alone.
	c.CountFrom(1000)
	return c
}

// call sends a request that has to succeed.
func call(t *testing.T, c *raw.Conn, op int32, body raw.Bytes) raw.Reply {
	t.Helper()
	r, err := c.Call(op, body)
	if err != nil || r.Err != 0 {
		t.Fatalf("%s: %v, code %d", raw.OpName(op), err, r.Err)
	}
	return r
}

const ephemeral = int32(zk.Ephemeral)

func sessionMoves(t *testing.T, e *harness.Ensemble) {
	tour(e, func(from, to *harness.Member) {
		first, second := fmt.Sprintf("/moves-%d-%d-a", from.ID, to.ID), fmt.Sprintf("/moves-%d-%d-b", from.ID, to.ID)
		c, s := open(t, from, sessionTimeout)
		call(t, c, raw.OpCreate, raw.Create(first, nil, raw.World, ephemeral))
		c.Close()
		c = resume(t, to, s)
		call(t, c, raw.OpCreate, raw.Create(second, nil, raw.World, ephemeral))
		for _, path := range []string{first, second} {
			r := call(t, c, raw.OpExists, raw.PathBool(path, false))
			if owner := r.Body.Stat().EphemeralOwner; owner != s.ID {
				t.Errorf("%s belongs to 0x%x, want 0x%x", path, owner, s.ID)
			}
		}
		call(t, c, raw.OpCloseSession, nil)
	})
}

// oldConnectionRefused moves a session while its old connection stays open, as
// with a client that gave up a connection that the member still believes in.
func oldConnectionRefused(t *testing.T, e *harness.Ensemble) {
	tour(e, func(from, to *harness.Member) {
		left, s := open(t, from, sessionTimeout)
		path := fmt.Sprintf("/left-%d-%d", from.ID, to.ID)
		call(t, left, raw.OpCreate, raw.Create(path, []byte("before"), raw.World, ephemeral))
		c := resume(t, to, s)
		if r, err := left.Call(raw.OpSetData, raw.SetData(path, []byte("late"), -1)); err == nil && r.Err == 0 {
			t.Errorf("member %d (%s) took a write on a connection whose session is at member %d (%s)", from.ID, from.Kind(), to.ID, to.Kind())
		} else if !left.Closed() {
			t.Errorf("member %d (%s) keeps the connection whose session is at member %d (%s)", from.ID, from.Kind(), to.ID, to.Kind())
		}
		call(t, c, raw.OpSync, raw.Path(path))
		r := call(t, c, raw.OpGetData, raw.PathBool(path, false))
		if data := string(r.Body.Buf()); data != "before" {
			t.Errorf("%s holds %q", path, data)
		}
		call(t, c, raw.OpSetData, raw.SetData(path, []byte("after"), 0))
		call(t, c, raw.OpCloseSession, nil)
	})
}

func closedElsewhere(t *testing.T, e *harness.Ensemble) {
	watchers := dialEach(t, e)
	tour(e, func(from, to *harness.Member) {
		c, s := open(t, from, sessionTimeout)
		path := fmt.Sprintf("/closed-%d-%d", from.ID, to.ID)
		call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, ephemeral))
		c.Close()
		gone := watchDeletion(t, watchers, path)
		c = resume(t, to, s)
		call(t, c, raw.OpCloseSession, nil)
		if !c.Closed() {
			t.Errorf("member %d (%s) leaves the connection of a closed session open", to.ID, to.Kind())
		}
		for i, w := range watchers {
			if ev := await(t, gone[i], "deletion of "+path+" at "+w.Server()); ev.Type != zk.EventNodeDeleted {
				t.Errorf("%s at %s: %v %v", path, w.Server(), ev.Type, ev.Err)
			}
		}
	})
}

// watchDeletion sets a watch on a znode, which must exist, at every client.
func watchDeletion(t *testing.T, clients []*zk.Client, path string) (gone []<-chan zk.Event) {
	t.Helper()
	for _, c := range clients {
		if err := c.Sync(within(t), path); err != nil {
			t.Fatal(err)
		}
		ok, _, events, err := c.ExistsW(within(t), path)
		if err != nil || !ok {
			t.Fatalf("%s at %s: there %v, %v", path, c.Server(), ok, err)
		}
		gone = append(gone, events)
	}
	return gone
}

// refusedBy fails unless every member refuses the session. A member that learns
// of the session's end in that moment may close the connection without a word;
// it is asked again.
func refusedBy(t *testing.T, e *harness.Ensemble, s raw.Session, why string) {
	t.Helper()
	for _, m := range e.Alive() {
		harness.Until(t, fmt.Sprintf("%s: member %d (%s) says that it is over", why, m.ID, m.Kind()), m.Done(), func() bool {
			c, err := raw.Dial(m.Addr())
			if err != nil {
				return false
			}
			defer c.Close()
			got, err := c.Handshake(raw.ConnectRequest{Timeout: s.Timeout, SessionID: s.ID, Passwd: s.Passwd})
			if err == nil && (got.Timeout > 0 || got.ID != 0) {
				t.Fatalf("%s: member %d (%s) answers with session 0x%x, timeout %d", why, m.ID, m.Kind(), got.ID, got.Timeout)
			}
			return err == nil
		})
	}
}

func overEverywhere(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, s := open(t, m, sessionTimeout)
		call(t, c, raw.OpCloseSession, nil)
		refusedBy(t, e, s, fmt.Sprintf("a session closed at member %d", m.ID))
	}
}

func wrongPassword(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		_, s := open(t, m, sessionTimeout)
		wrong := s
		wrong.Passwd = make([]byte, 16)
		refusedBy(t, e, wrong, fmt.Sprintf("a wrong password for a session at member %d", m.ID))
		// Apache's server closes the connection that the session has, but the
		// session itself is none the worse.
		call(t, resume(t, m, s), raw.OpCloseSession, nil)
	}
}

func expiresAnywhere(t *testing.T, e *harness.Ensemble) {
	const timeout = 2 * time.Second
	watchers := dialEach(t, e)
	var silent []*raw.Conn
	var sessions []raw.Session
	var gone [][]<-chan zk.Event
	began := time.Now()
	for _, m := range e.Members() {
		c, s := open(t, m, timeout)
		path := fmt.Sprintf("/silent-%d", m.ID)
		call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, ephemeral))
		silent, sessions = append(silent, c), append(sessions, s)
		gone = append(gone, watchDeletion(t, watchers, path))
	}
	for i, m := range e.Members() {
		for k, w := range watchers {
			ev := await(t, gone[i][k], fmt.Sprintf("expiry of the session at member %d (%s), seen at %s", m.ID, m.Kind(), w.Server()))
			if lived := time.Since(began); ev.Type != zk.EventNodeDeleted || lived < timeout {
				t.Errorf("member %d (%s): %v %v after %v, the timeout is %v", m.ID, m.Kind(), ev.Type, ev.Err, lived, timeout)
			}
		}
		if !silent[i].Closed() {
			t.Errorf("member %d (%s) leaves the connection of an expired session open", m.ID, m.Kind())
		}
		refusedBy(t, e, sessions[i], fmt.Sprintf("a session of member %d that has expired", m.ID))
	}
}

// keptByFollower pings for three timeouts.
func keptByFollower(t *testing.T, e *harness.Ensemble) {
	const timeout = 1500 * time.Millisecond
	began := time.Now()
	for _, m := range e.Followers() {
		t.Run(fmt.Sprintf("at member %d", m.ID), func(t *testing.T) {
			t.Parallel()
			c, s := open(t, m, timeout)
			path := fmt.Sprintf("/kept-%d", m.ID)
			call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, ephemeral))
			ticker := time.NewTicker(timeout / 5)
			defer ticker.Stop()
			for time.Since(began) < 3*timeout {
				<-ticker.C
				call(t, c, raw.OpPing, nil)
			}
			if owner := call(t, c, raw.OpExists, raw.PathBool(path, false)); owner.Body.Stat().EphemeralOwner != s.ID {
				t.Errorf("%s is not there any more", path)
			}
			call(t, c, raw.OpCloseSession, nil)
		})
	}
}

// watchesReplayed changes what a session watches while it is between two
// members.
func watchesReplayed(t *testing.T, e *harness.Ensemble) {
	tour(e, func(from, to *harness.Member) {
		name := func(kind string) string { return fmt.Sprintf("/replay-%d-%d-%s", from.ID, to.ID, kind) }
		other := dial(t, to.Addr())
		for _, kind := range []string{"changed", "deleted", "parent", "same"} {
			create(t, other, name(kind), "", zk.Persistent)
		}
		c, s := open(t, from, sessionTimeout)
		call(t, c, raw.OpSync, raw.Path("/"))
		zxid := call(t, c, raw.OpGetData, raw.PathBool("/", false)).Zxid
		c.Close()
		if _, err := other.Set(within(t), name("changed"), nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := other.Delete(within(t), name("deleted"), 0); err != nil {
			t.Fatal(err)
		}
		create(t, other, name("parent")+"/child", "", zk.Persistent)
		create(t, other, name("created"), "", zk.Persistent)
		c = resume(t, to, s)
		data := []string{name("changed"), name("deleted"), name("same")}
		call(t, c, raw.OpSetWatches, raw.SetWatches(zxid, data, []string{name("created")}, []string{name("parent")}))
		if _, err := other.Set(within(t), name("same"), nil, 0); err != nil {
			t.Fatal(err)
		}
		call(t, c, raw.OpSync, raw.Path("/"))
		call(t, c, raw.OpGetData, raw.PathBool("/", false))
		want := map[string]int32{
			name("changed"): int32(zk.EventNodeDataChanged), name("deleted"): int32(zk.EventNodeDeleted),
			name("created"): int32(zk.EventNodeCreated), name("parent"): int32(zk.EventNodeChildrenChanged),
			name("same"): int32(zk.EventNodeDataChanged),
		}
		for _, ev := range c.Events {
			if want[ev.Path] != ev.Type {
				t.Errorf("from member %d to %d: event %d for %s, want %d", from.ID, to.ID, ev.Type, ev.Path, want[ev.Path])
			}
			delete(want, ev.Path)
		}
		if len(want) > 0 {
			t.Errorf("from member %d (%s) to %d (%s): no event for %v", from.ID, from.Kind(), to.ID, to.Kind(), want)
		}
		call(t, c, raw.OpCloseSession, nil)
	})
}

// neverBack: what a client has seen it sees again, at whatever member. A client
// that is ahead of a member is turned away by it.
func neverBack(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, err := raw.Dial(m.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Handshake(raw.ConnectRequest{Timeout: 5000, Passwd: make([]byte, 16), LastZxidSeen: 1 << 62})
		if err == nil {
			t.Errorf("member %d (%s) takes a client that has seen what never was", m.ID, m.Kind())
		}
		c.Close()
	}
	create(t, dial(t, e.Members()[0].Addr()), "/seen", "", zk.Persistent)
	tour(e, func(from, to *harness.Member) {
		for range 10 {
			writer, s := open(t, from, sessionTimeout)
			call(t, writer, raw.OpSetData, raw.SetData("/seen", []byte("x"), -1))
			seen := call(t, writer, raw.OpGetData, raw.PathBool("/seen", false))
			writer.Close()
			var c *raw.Conn
			harness.Until(t, fmt.Sprintf("member %d (%s) takes a client that was at member %d", to.ID, to.Kind(), from.ID), to.Done(), func() bool {
				var err error
				if c, err = raw.Dial(to.Addr()); err != nil {
					return false
				}
				_, err = c.Handshake(raw.ConnectRequest{Timeout: s.Timeout, SessionID: s.ID, Passwd: s.Passwd, LastZxidSeen: seen.Zxid})
				if err != nil {
					c.Close()
				}
				return err == nil
			})
			again := call(t, c, raw.OpGetData, raw.PathBool("/seen", false))
			seen.Body.Buf()
			again.Body.Buf()
			if a, b := seen.Body.Stat().Version, again.Body.Stat().Version; b < a {
				t.Fatalf("version %d at member %d (%s), then version %d at member %d (%s)", a, from.ID, from.Kind(), b, to.ID, to.Kind())
			}
			call(t, c, raw.OpCloseSession, nil)
		}
	})
}

// TestReusedXids: a client that begins to count its requests again when it
// moves harms nobody but itself. Apache's followers take the answer to the old
// request for that to the new one, and die of it (3.9.5: "Committed proposal
// cached out of order"), so this is a promise of ours alone.
func TestReusedXids(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		if slices.Contains(kinds, harness.Java) {
			t.Skip("Apache's followers die of it")
		}
		e := start(t, kinds)
		for round := range 30 {
			tour(e, func(from, to *harness.Member) {
				c, s := open(t, from, sessionTimeout)
				path := fmt.Sprintf("/reused-%d-%d-%d", from.ID, to.ID, round)
				call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, ephemeral))
				c.Close()
				c = resume(t, to, s)
				c.CountFrom(0)
				call(t, c, raw.OpSync, raw.Path(path))
				call(t, c, raw.OpSetData, raw.SetData(path, nil, 0))
				call(t, c, raw.OpCloseSession, nil)
			})
		}
		checkEqual(t, e)
	})
}

// TestSessionOutlivesLeader: a new leader gives every session its full timeout
// again, so that nobody is punished for the time without a leader.
func TestSessionOutlivesLeader(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		const timeout = 3 * time.Second
		e := start(t, kinds)
		leader := e.WaitRoles()
		follower := e.Followers()[0]
		c, s := open(t, follower, timeout)
		call(t, c, raw.OpCreate, raw.Create("/outlives", nil, raw.World, ephemeral))
		heard := time.Now()
		c.Close()
		// Just before the old leader would have let the session expire.
		<-time.After(timeout - 700*time.Millisecond)
		e.Kill(leader)
		e.WaitRoles()
		elected := time.Now()
		// Well beyond the time that the old leader would have given it.
		<-time.After(time.Until(heard.Add(timeout + 1500*time.Millisecond)))
		if since := time.Since(elected); since >= timeout-500*time.Millisecond {
			t.Skipf("this machine is too busy to tell: %v since the election", since)
		}
		c = resume(t, follower, s)
		if r := call(t, c, raw.OpExists, raw.PathBool("/outlives", false)); r.Body.Stat().EphemeralOwner != s.ID {
			t.Errorf("the znode of the session is gone")
		}
		c.Close()
		// And no longer than that.
		heard = time.Now()
		gone := watchDeletion(t, dialEach(t, e), "/outlives")
		for _, events := range gone {
			if ev := await(t, events, "expiry of the session"); ev.Type != zk.EventNodeDeleted || time.Since(heard) < timeout {
				t.Errorf("%v %v after %v, the timeout is %v", ev.Type, ev.Err, time.Since(heard), timeout)
			}
		}
	})
}
