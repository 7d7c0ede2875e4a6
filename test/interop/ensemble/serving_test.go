package ensemble

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// TestServing: what an ensemble promises to clients at different members
// while nothing breaks. The promises share one ensemble.
func TestServing(t *testing.T) {
	promises := []struct {
		name string
		hold func(t *testing.T, e *harness.Ensemble)
	}{
		{"a write at one member is read at the others behind a sync", writesEverywhere},
		{"a znode of a session is seen everywhere and goes with the session everywhere", ephemeralsEverywhere},
		{"numbers of sequential znodes are given once, without gaps", sequenceNumbers},
		{"a watch at one member fires for a write at another", watchesEverywhere},
		{"of several conditional writes to one version one wins", oneWriterWins},
		{"a multi is seen as a whole or not at all", multiEverywhere},
		{"requests of one session are answered in their order", pipelined},
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		for _, p := range promises {
			t.Run(p.name, func(t *testing.T) { p.hold(t, e) })
		}
		t.Run("all members hold the same tree", func(t *testing.T) { checkEqual(t, e) })
	})
}

func writesEverywhere(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/writes", "", zk.Persistent)
	for round := range 20 {
		for i, writer := range clients {
			path := fmt.Sprintf("/writes/%d-%d", i, round)
			created, err := writer.Create(within(t), path, []byte(path), zk.Persistent, nil)
			if err != nil || created != path {
				t.Fatalf("create %s: %q, %v", path, created, err)
			}
			for _, reader := range clients {
				if got := read(t, reader, path); got != path {
					t.Fatalf("%s wrote %q, %s reads %q", writer.Server(), path, reader.Server(), got)
				}
			}
		}
	}
	for i, c := range clients {
		path := fmt.Sprintf("/writes/%d-0", i)
		if err := c.Delete(within(t), path, 0); err != nil {
			t.Fatal(err)
		}
		for _, reader := range clients {
			if exists(t, reader, path) {
				t.Errorf("%s was deleted at %s and is there at %s", path, c.Server(), reader.Server())
			}
		}
	}
}

func ephemeralsEverywhere(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/sessions", "", zk.Persistent)
	for _, m := range e.Members() {
		owner := dial(t, m.Addr())
		path := fmt.Sprintf("/sessions/%d", m.ID)
		create(t, owner, path, "", zk.Ephemeral)
		gone := make([]<-chan zk.Event, len(clients))
		for i, c := range clients {
			if !exists(t, c, path) {
				t.Fatalf("the znode of a session at member %d is not at %s", m.ID, c.Server())
			}
			ok, stat, events, err := c.ExistsW(within(t), path)
			if err != nil || !ok || stat.EphemeralOwner != owner.SessionID() {
				t.Fatalf("%s: %v, there %v, owner 0x%x, want 0x%x", c.Server(), err, ok, stat.EphemeralOwner, owner.SessionID())
			}
			gone[i] = events
		}
		owner.Close()
		for i, c := range clients {
			if ev := await(t, gone[i], "deletion of "+path); ev.Type != zk.EventNodeDeleted {
				t.Errorf("%s: %v %v, want a deletion", c.Server(), ev.Type, ev.Err)
			}
		}
	}
}

func sequenceNumbers(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/sequence", "", zk.Persistent)
	const perClient = 50
	var mu sync.Mutex
	var names []string
	var wait sync.WaitGroup
	for _, c := range clients {
		wait.Go(func() {
			last := ""
			for range perClient {
				name, err := c.Create(within(t), "/sequence/n", nil, zk.PersistentSequential, nil)
				if err != nil || name <= last {
					t.Errorf("create at %s: %q after %q, %v", c.Server(), name, last, err)
					return
				}
				last = name
				mu.Lock()
				names = append(names, name)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	slices.Sort(names)
	for i, name := range names {
		if want := fmt.Sprintf("/sequence/n%010d", i); name != want {
			t.Fatalf("the name number %d is %s, want %s", i, name, want)
		}
	}
}

func watchesEverywhere(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/watched", "0", zk.Persistent)
	for i, writer := range clients {
		var data, children []<-chan zk.Event
		for _, c := range clients {
			read(t, c, "/watched")
			_, _, ev, err := c.GetW(within(t), "/watched")
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, ev)
			if _, _, ev, err = c.ChildrenW(within(t), "/watched"); err != nil {
				t.Fatal(err)
			}
			children = append(children, ev)
		}
		if _, err := writer.Set(within(t), "/watched", nil, int32(i)); err != nil {
			t.Fatal(err)
		}
		create(t, writer, fmt.Sprintf("/watched/%d", i), "", zk.Persistent)
		for k, c := range clients {
			if ev := await(t, data[k], "data of /watched at "+c.Server()); ev.Type != zk.EventNodeDataChanged {
				t.Errorf("%s: %v %v, want a change of the data", c.Server(), ev.Type, ev.Err)
			}
			if ev := await(t, children[k], "children of /watched at "+c.Server()); ev.Type != zk.EventNodeChildrenChanged {
				t.Errorf("%s: %v %v, want a change of the children", c.Server(), ev.Type, ev.Err)
			}
		}
	}
}

func oneWriterWins(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/contended", "", zk.Persistent)
	for round := range 30 {
		var mu sync.Mutex
		var won []string
		var wait sync.WaitGroup
		for _, c := range clients {
			// Without it the znode may not be known yet at this member.
			read(t, c, "/contended")
			wait.Go(func() {
				_, err := c.Set(within(t), "/contended", []byte(c.Server()), int32(round))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, c.Server())
				case !errors.Is(err, zk.ErrBadVersion):
					t.Errorf("set at %s: %v", c.Server(), err)
				}
			})
		}
		wait.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: the writes of %v were all accepted", round, won)
		}
		for _, c := range clients {
			if got := read(t, c, "/contended"); got != won[0] {
				t.Fatalf("round %d: %s won, %s reads %q", round, won[0], c.Server(), got)
			}
		}
	}
}

func multiEverywhere(t *testing.T, e *harness.Ensemble) {
	clients := dialEach(t, e)
	create(t, clients[0], "/multi", "", zk.Persistent)
	for i, c := range clients {
		read(t, c, "/multi")
		a, b := fmt.Sprintf("/multi/a%d", i), fmt.Sprintf("/multi/b%d", i)
		if _, err := c.Multi(within(t), zk.CreateOp(a, nil, zk.Persistent, nil), zk.SetOp(a, []byte("x"), 0),
			zk.CreateOp(b, nil, zk.Persistent, nil)); err != nil {
			t.Fatalf("multi at %s: %v", c.Server(), err)
		}
		_, err := c.Multi(within(t), zk.SetOp(a, []byte("y"), 1), zk.CheckOp(b, 7))
		if !errors.Is(err, zk.ErrBadVersion) {
			t.Fatalf("multi with a check that fails at %s: %v", c.Server(), err)
		}
		for _, reader := range clients {
			if got := read(t, reader, a); got != "x" || !exists(t, reader, b) {
				t.Errorf("multi at %s, seen at %s: %s is %q", c.Server(), reader.Server(), a, got)
			}
		}
	}
}

// pipelined sends writes and reads of one session in one piece and wants the
// answers in order, each read showing the write before it.
func pipelined(t *testing.T, e *harness.Ensemble) {
	const rounds = 200
	for _, m := range e.Members() {
		c, _, err := raw.Connect(m.Addr(), 10000)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		path := fmt.Sprintf("/pipelined-%d", m.ID)
		frames := [][]byte{raw.Frame(1, raw.OpCreate, raw.Create(path, nil, raw.World, 0))}
		for i := range int32(rounds) {
			frames = append(frames, raw.Frame(2+2*i, raw.OpSetData, raw.SetData(path, fmt.Appendf(nil, "%d", i), i)),
				raw.Frame(3+2*i, raw.OpGetData, raw.PathBool(path, false)))
		}
		if err := c.Send(frames...); err != nil {
			t.Fatal(err)
		}
		var last int64
		for i := range frames {
			frame, err := c.Recv()
			if err != nil {
				t.Fatalf("member %d (%s): answer %d of %d: %v", m.ID, m.Kind(), i, len(frames), err)
			}
			r := raw.ParseReply(frame)
			if r.Xid != int32(i+1) || r.Err != 0 || r.Zxid < last {
				t.Fatalf("member %d (%s): answer %d is xid %d, err %d, zxid 0x%x after 0x%x", m.ID, m.Kind(), i+1, r.Xid, r.Err, r.Zxid, last)
			}
			last = r.Zxid
			if i > 0 && i%2 == 0 {
				if got, want := string(r.Body.Buf()), fmt.Sprint(i/2-1); got != want {
					t.Fatalf("member %d (%s): the read behind the write of %s shows %q", m.ID, m.Kind(), want, got)
				}
			}
		}
		if _, err := c.Call(raw.OpCloseSession, nil); err != nil {
			t.Errorf("member %d (%s): closeSession: %v", m.ID, m.Kind(), err)
		}
	}
}
