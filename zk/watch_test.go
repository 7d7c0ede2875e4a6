package zk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func TestOneShotWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		s := n.servers["a:2181"]
		s.answer = func(_ *fakeConn, r fakeRequest) *fakeReply {
			if r.op == wire.OpExists && strings.Contains(string(r.body), "none") {
				return &fakeReply{code: ErrNoNode}
			}
			if r.op == wire.OpGetData && strings.Contains(string(r.body), "none") {
				return &fakeReply{code: ErrNoNode}
			}
			return nil
		}
		c, j := n.start("a")
		defer c.Close()
		ctx := t.Context()
		_, _, data, err := c.GetW(ctx, "/x")
		check(t, err)
		_, _, again, err := c.GetW(ctx, "/x")
		check(t, err)
		found, _, exist, err := c.ExistsW(ctx, "/x")
		check(t, err)
		_, _, kids, err := c.ChildrenW(ctx, "/x")
		check(t, err)
		if !found {
			t.Error("/x is not found")
		}
		found, _, missing, err := c.ExistsW(ctx, "/none")
		check(t, err)
		if found {
			t.Error("/none is found")
		}
		if _, _, ch, err := c.GetW(ctx, "/none"); !errors.Is(err, ErrNoNode) || ch != nil {
			t.Errorf("getW of nothing: %v %v", ch, err)
		}
		s.notify(EventNodeDataChanged, "/x", 50)
		for i, ch := range []<-chan Event{data, again, exist} {
			if e := <-ch; e.Type != EventNodeDataChanged || e.Path != "/x" || e.Zxid != 50 {
				t.Errorf("watch %d: %+v", i, e)
			}
		}
		s.notify(EventNodeDataChanged, "/x", 51) // nobody's
		s.notify(EventNodeCreated, "/none", 52)
		if e := <-missing; e.Type != EventNodeCreated {
			t.Errorf("%+v", e)
		}
		s.notify(EventNodeDeleted, "/x", 53)
		if e := <-kids; e.Type != EventNodeDeleted {
			t.Errorf("%+v", e)
		}
		if c.LastZxid() != 53 {
			t.Errorf("last zxid %d", c.LastZxid())
		}
		c.Close()
		j.want(t, "SyncConnected NodeDataChanged/x NodeCreated/none NodeDeleted/x Closed")
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStayingWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		s := n.servers["a:2181"]
		c, _ := n.start("a")
		defer c.Close()
		ctx := t.Context()
		flat, err := c.AddWatch(ctx, "/x", WatchPersistent)
		check(t, err)
		deep, err := c.AddWatch(ctx, "/x", WatchRecursive)
		check(t, err)
		root, err := c.AddWatch(ctx, "/", WatchRecursive)
		check(t, err)
		s.notify(EventNodeCreated, "/x/y/z", 1)
		s.notify(EventNodeChildrenChanged, "/x", 1)
		s.notify(EventNodeDataChanged, "/xy", 2)
		s.notify(EventNodeDataChanged, "/x", 3)
		for _, want := range []struct {
			w    *Watch
			zxid []int64
		}{{flat, []int64{1, 3}}, {deep, []int64{1, 3}}, {root, []int64{1, 2, 3}}} {
			for _, zxid := range want.zxid {
				if e, err := want.w.Next(ctx); e.Zxid != zxid || err != nil {
					t.Errorf("%s %d: %+v %v, want zxid %d", want.w.Path(), want.w.mode, e, err, zxid)
				}
			}
		}
		// Closing one of two leaves the server's watch alone.
		other, err := c.AddWatch(ctx, "/x", WatchPersistent)
		check(t, err)
		check(t, other.Close(ctx))
		if removed := n.asked(wire.OpRemoveWatches); len(removed) != 0 {
			t.Error("the server's watch was removed")
		}
		check(t, flat.Close(ctx))
		check(t, flat.Close(ctx))
		removed := n.asked(wire.OpRemoveWatches)
		if len(removed) != 1 || removed[0].body[len(removed[0].body)-1] != byte(WatchTypePersistent) {
			t.Errorf("removed %v", removed)
		}
		if _, err := flat.Next(ctx); err != ErrClosed {
			t.Errorf("next after close: %v", err)
		}
	})
}

func TestWatchesAreReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		s := n.servers["a:2181"]
		c, _ := n.start("a")
		defer c.Close()
		ctx := t.Context()
		_, _, data, err := c.GetW(ctx, "/x")
		check(t, err)
		s.breakAll()
		check(t, c.Wait(ctx))
		first := n.asked(wire.OpSetWatches)
		if len(first) != 1 || first[0].xid != wire.XidSetWatches {
			t.Fatalf("setWatches: %v", first)
		}
		w, err := c.AddWatch(ctx, "/p", WatchRecursive)
		check(t, err)
		s.breakAll()
		check(t, c.Wait(ctx))
		second := n.asked(wire.OpSetWatches2)
		if len(second) != 1 {
			t.Fatalf("setWatches2: %v", second)
		}
		var sw wire.SetWatches
		d := jute.NewDecoder(second[0].body)
		sw.Decode(&d, true)
		if len(sw.Data) != 1 || string(sw.Data[0]) != "/x" || len(sw.PersistentRecursive) != 1 || sw.RelativeZxid == 0 {
			t.Errorf("setWatches2: %+v", sw)
		}
		if e, err := w.Next(ctx); e.Type != EventResync || e.Path != "/p" || err != nil {
			t.Errorf("after the gap: %+v %v", e, err)
		}
		s.notify(EventNodeDataChanged, "/x", -1)
		if e := <-data; e.Type != EventNodeDataChanged {
			t.Errorf("%+v", e)
		}
		c.Close()
	})
}

func TestReplayIsCutIntoFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		s := n.servers["a:2181"]
		c, _ := n.start("a")
		defer c.Close()
		ctx := t.Context()
		w, err := c.AddWatch(ctx, "/p", WatchPersistent)
		check(t, err)
		long := strings.Repeat("x", 1000)
		for i := range 300 {
			_, _, _, err := c.ChildrenW(ctx, fmt.Sprintf("/%s%d", long, i))
			check(t, err)
		}
		s.breakAll()
		if e, err := w.Next(ctx); e.Type != EventResync || err != nil {
			t.Errorf("%+v %v", e, err)
		}
		frames := append(n.asked(wire.OpSetWatches), n.asked(wire.OpSetWatches2)...)
		if len(frames) != 3 {
			t.Errorf("%d frames", len(frames))
		}
		for _, f := range frames {
			if len(f.body) > maxReplayFrame+100 {
				t.Errorf("a frame of %d bytes", len(f.body))
			}
		}
		c.Close()
	})
}

func TestRemoveWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a")
		defer c.Close()
		ctx := t.Context()
		if err := c.RemoveWatches(ctx, "/x", WatchTypeAny); !errors.Is(err, ErrNoWatcher) {
			t.Errorf("remove nothing: %v", err)
		}
		_, _, data, err := c.GetW(ctx, "/x")
		check(t, err)
		_, _, kids, err := c.ChildrenW(ctx, "/x")
		check(t, err)
		w, err := c.AddWatch(ctx, "/x", WatchPersistent)
		check(t, err)
		check(t, c.RemoveWatches(ctx, "/x", WatchTypeData))
		if e := <-data; e.Type != EventDataWatchRemoved {
			t.Errorf("%+v", e)
		}
		check(t, c.RemoveWatches(ctx, "/x", WatchTypeAny))
		if e := <-kids; e.Type != EventChildWatchRemoved {
			t.Errorf("%+v", e)
		}
		if e, err := w.Next(ctx); e.Type != EventPersistentWatchRemoved || err != nil {
			t.Errorf("%+v %v", e, err)
		}
		check(t, c.Drain(ctx))
		j.want(t, "SyncConnected DataWatchRemoved/x ChildWatchRemoved/x PersistentWatchRemoved/x")
		_, _, data, err = c.GetW(ctx, "/x")
		check(t, err)
		check(t, c.ForgetWatches("/x", WatchTypeData))
		if e := <-data; e.Type != EventDataWatchRemoved {
			t.Errorf("%+v", e)
		}
		c.Close()
	})
}

func TestChrootIsInvisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a/app/one")
		ctx := t.Context()
		if got, err := c.Create(ctx, "/x", nil, Persistent, nil); got != "/x" || err != nil {
			t.Errorf("create: %s %v", got, err)
		}
		_, _, ch, err := c.GetW(ctx, "/")
		check(t, err)
		n.servers["a:2181"].notify(EventNodeDataChanged, "/app/one", 9)
		if e := <-ch; e.Path != "/" {
			t.Errorf("%+v", e)
		}
		_, _, ch, err = c.GetConfigW(ctx)
		check(t, err)
		n.servers["a:2181"].notify(EventNodeDataChanged, ConfigPath, 10)
		if e := <-ch; e.Path != ConfigPath {
			t.Errorf("%+v", e)
		}
		c.Close()
		j.want(t, "SyncConnected NodeDataChanged/ NodeDataChanged"+ConfigPath+" Closed")
		for _, r := range n.asked(wire.OpGetData)[:1] {
			if !strings.Contains(string(r.body), "/app/one") {
				t.Errorf("asked for %q", r.body)
			}
		}
	})
}

func TestSlowReceiverLearnsOfTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newEventQueue()
		q.limit = 4
		q.put(Event{Type: EventSession, State: StateConnected}, "")
		for i := range 6 {
			q.put(Event{Type: EventNodeDataChanged, Path: "/x", Zxid: int64(i)}, "/p")
		}
		q.end()
		var got []string
		for {
			e, ok, _ := q.take()
			if !ok {
				break
			}
			got = append(got, fmt.Sprint(e.Type, e.Path, e.Zxid))
		}
		// The fourth change found the queue full, so that its event and all
		// before it became one resync; the two behind it are whole.
		want := "[None0 Resync/p3 NodeDataChanged/x4 NodeDataChanged/x5]"
		if s := fmt.Sprint(got); s != want {
			t.Errorf("got %s", s)
		}
	})
}

func TestDrainWaitsForTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		seen := 0
		c, err := New("a", WithDialer(n.dial), WithEventHandler(func(Event) {
			pass(time.Second)
			seen++
		}))
		check(t, err)
		_, _, _, err = c.GetW(t.Context(), "/x")
		check(t, err)
		n.servers["a:2181"].notify(EventNodeDataChanged, "/x", 5)
		_, _, err = c.Get(t.Context(), "/x")
		check(t, err)
		check(t, c.Drain(t.Context()))
		if seen != 2 {
			t.Errorf("%d events were dealt with", seen)
		}
		c.Close()
		pass(2 * time.Second) // the handler's last event
	})
}

func TestHandlerMayUseTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		ready := make(chan *Client, 1)
		done := make(chan error, 1)
		c, err := New("a", WithDialer(n.dial), WithEventHandler(func(e Event) {
			if e.State == StateConnected {
				c := <-ready
				_, _, err := c.Get(t.Context(), "/x")
				c.Close()
				done <- err
			}
		}))
		check(t, err)
		ready <- c
		check(t, <-done)
		c.Close()
	})
}
