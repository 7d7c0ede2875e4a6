package zk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/zk"
	"zooid/zk/zktest"
)

// The tests of this file talk to a whole server over a socket.

func dial(t *testing.T, servers string, opts ...zk.Option) *zk.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := zk.Dial(ctx, servers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestZnodes(t *testing.T) {
	s := zktest.Start(t)
	c, ctx := dial(t, s.Addr()), t.Context()
	if got := must(c.Create(ctx, "/a", []byte("x"), zk.Persistent, nil))(t); got != "/a" {
		t.Errorf("created %s", got)
	}
	_, err := c.Create(ctx, "/a", nil, zk.Persistent, nil)
	wantErr(t, "create again", err, zk.ErrNodeExists)
	_, err = c.Create(ctx, "/b/c", nil, zk.Persistent, nil)
	wantErr(t, "create without a parent", err, zk.ErrNoNode)
	_, err = c.Create(ctx, "/b", nil, zk.Persistent, []zk.ACL{})
	wantErr(t, "create with an empty list", err, zk.ErrInvalidACL)
	path, st, err := c.CreateStat(ctx, "/a/s-", nil, zk.PersistentSequential, nil)
	if path != "/a/s-0000000000" || st.Czxid == 0 || err != nil {
		t.Errorf("sequential: %s %+v %v", path, st, err)
	}
	if got := must(c.Create(ctx, "/a/", nil, zk.PersistentSequential, nil))(t); got != "/a/0000000001" {
		t.Errorf("a sequential znode without a name: %s", got)
	}
	must(c.Create(ctx, "/cont", nil, zk.Container, nil))(t)
	path, st, err = c.CreateTTL(ctx, "/ttl", nil, zk.PersistentWithTTL, time.Hour, nil)
	if path != "/ttl" || st.EphemeralOwner != 0 || err != nil {
		t.Errorf("ttl: %s %+v %v", path, st, err)
	}
	_, _, err = c.CreateTTL(ctx, "/ttl2", nil, zk.PersistentWithTTL, 0, nil)
	wantErr(t, "a TTL of 0", err, zk.ErrBadArguments)
	_, err = c.Create(ctx, "/ttl2", nil, zk.PersistentWithTTL, nil)
	wantErr(t, "a TTL mode without TTL", err, zk.ErrBadArguments)

	data, st, err := c.Get(ctx, "/a")
	if string(data) != "x" || st.NumChildren != 2 || st.DataLength != 1 || err != nil {
		t.Errorf("get: %q %+v %v", data, st, err)
	}
	if age := time.Since(st.Created()); age < -time.Minute || age > time.Minute {
		t.Errorf("created %v ago", age)
	}
	data, _, err = c.Get(ctx, "/cont")
	if data != nil || err != nil {
		t.Errorf("null data: %q %v", data, err)
	}
	st, err = c.Set(ctx, "/a", []byte("yy"), 0)
	if st.Version != 1 || err != nil {
		t.Errorf("set: %+v %v", st, err)
	}
	_, err = c.Set(ctx, "/a", nil, 0)
	wantErr(t, "set with an old version", err, zk.ErrBadVersion)
	names, _, err := c.Children(ctx, "/a")
	if slices.Sort(names); strings.Join(names, " ") != "0000000001 s-0000000000" || err != nil {
		t.Errorf("children: %v %v", names, err)
	}
	if n := must(c.GetAllChildrenNumber(ctx, "/a"))(t); n != 2 {
		t.Errorf("%d below /a", n)
	}
	if found, _, err := c.Exists(ctx, "/nope"); found || err != nil {
		t.Errorf("exists: %v %v", found, err)
	}
	wantErr(t, "delete with children", c.Delete(ctx, "/a", zk.AnyVersion), zk.ErrNotEmpty)
	wantErr(t, "delete with a wrong version", c.Delete(ctx, "/a/s-0000000000", 7), zk.ErrBadVersion)
	wantErr(t, "delete", c.Delete(ctx, "/a/s-0000000000", 0), nil)
	wantErr(t, "sync", c.Sync(ctx, "/a"), nil)
	wantErr(t, "ping", c.Ping(ctx), nil)
}

func TestIdentities(t *testing.T) {
	s := zktest.Start(t)
	c, ctx := dial(t, s.Addr(), zk.WithAuth("digest", []byte("ann:secret"))), t.Context()
	ids := must(c.WhoAmI(ctx))(t)
	if !slices.Contains(ids, zk.Identity{Scheme: "digest", User: "ann", Named: true}) {
		t.Errorf("who am I: %+v", ids)
	}
	must(c.Create(ctx, "/mine", []byte("x"), zk.Persistent, zk.AuthACL(zk.PermAll)))(t)
	acl, _, err := c.GetACL(ctx, "/mine")
	if len(acl) != 1 || acl[0].Scheme != "digest" || acl[0].Perms != zk.PermAll || err != nil {
		t.Errorf("acl: %+v %v", acl, err)
	}
	other := dial(t, s.Addr())
	_, _, err = other.Get(ctx, "/mine")
	wantErr(t, "a stranger's get", err, zk.ErrNoAuth)
	wantErr(t, "addauth", other.AddAuth(ctx, "digest", []byte("ann:secret")), nil)
	must(other.Set(ctx, "/mine", nil, zk.AnyVersion))(t)
	if st := must(other.SetACL(ctx, "/mine", zk.WorldACL(zk.PermRead), 0))(t); st.Aversion != 1 {
		t.Errorf("aversion %d", st.Aversion)
	}
	wantErr(t, "an unknown scheme", other.AddAuth(ctx, "nonsense", nil), zk.ErrAuthFailed)
	wantErr(t, "the end", other.Err(), zk.ErrAuthFailed)
}

func TestTransactions(t *testing.T) {
	s := zktest.Start(t)
	c, ctx := dial(t, s.Addr()+"/"), t.Context()
	results, err := c.Multi(ctx,
		zk.CreateOp("/m", []byte("1"), zk.Persistent, nil),
		zk.CreateOp("/m/c-", nil, zk.EphemeralSequential, nil),
		zk.CreateOp("/m/k", nil, zk.Container, nil),
		zk.CreateTTLOp("/m/t", nil, zk.PersistentWithTTL, time.Hour, nil),
		zk.SetOp("/m", []byte("2"), 0),
		zk.CheckOp("/m", 1),
		zk.DeleteOp("/m/k", 0))
	if err != nil || len(results) != 7 || results[1].Path != "/m/c-0000000000" || results[3].Path != "/m/t" || results[4].Stat.Version != 1 {
		t.Fatalf("multi: %+v %v", results, err)
	}
	results, err = c.Multi(ctx, zk.SetOp("/m", nil, -1), zk.DeleteOp("/nope", -1), zk.CheckOp("/m", -1))
	wantErr(t, "a multi that fails", err, zk.ErrNoNode)
	var failed *zk.OpError
	if !errors.As(err, &failed) || failed.Path != "/nope" {
		t.Errorf("the operation that failed: %+v", failed)
	}
	if len(results) != 3 || results[0].Err != nil || !errors.Is(results[2].Err, zk.ErrRuntimeInconsistency) {
		t.Errorf("results: %+v", results)
	}
	results, err = c.MultiRead(ctx, zk.GetOp("/m"), zk.ChildrenOp("/m"), zk.GetOp("/nope"))
	if err != nil || string(results[0].Data) != "2" || len(results[1].Children) != 2 || !errors.Is(results[2].Err, zk.ErrNoNode) {
		t.Errorf("multiread: %+v %v", results, err)
	}
	if results, err := c.Multi(ctx); len(results) != 0 || err != nil {
		t.Errorf("an empty multi: %v %v", results, err)
	}
	_, err = c.Multi(ctx, zk.GetOp("/m"))
	wantErr(t, "a read in a multi", err, zk.ErrBadArguments)
}

func TestLiveWatches(t *testing.T) {
	s := zktest.Start(t)
	c, other, ctx := dial(t, s.Addr()), dial(t, s.Addr()), t.Context()
	must(c.Create(ctx, "/w", nil, zk.Persistent, nil))(t)
	_, _, data, err := c.GetW(ctx, "/w")
	wantErr(t, "getW", err, nil)
	_, _, kids, err := c.ChildrenW(ctx, "/w")
	wantErr(t, "childrenW", err, nil)
	_, _, made, err := c.ExistsW(ctx, "/w/k")
	wantErr(t, "existsW", err, nil)
	deep := must(c.AddWatch(ctx, "/", zk.WatchRecursive))(t)
	must(other.Create(ctx, "/w/k", nil, zk.Persistent, nil))(t)
	must(other.Set(ctx, "/w", nil, -1))(t)
	for name, got := range map[string]struct {
		ch   <-chan zk.Event
		want zk.EventType
	}{
		"data": {data, zk.EventNodeDataChanged}, "children": {kids, zk.EventNodeChildrenChanged}, "exists": {made, zk.EventNodeCreated},
	} {
		if e := <-got.ch; e.Type != got.want {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, want := range []string{"NodeCreated /w/k", "NodeDataChanged /w"} {
		e, err := deep.Next(ctx)
		if got := fmt.Sprint(e.Type, " ", e.Path); got != want || err != nil {
			t.Errorf("next: %s %v, want %s", got, err, want)
		}
	}
	wantErr(t, "close", deep.Close(ctx), nil)
	wantErr(t, "remove what is not there", c.RemoveWatches(ctx, "/w", zk.WatchTypeAny), zk.ErrNoWatcher)
}

// The server goes away and comes back: the session, its ephemeral znode, its
// credentials and its watches are all still there.
func TestRestart(t *testing.T) {
	s := zktest.Start(t)
	c, ctx := dial(t, s.Addr(), zk.WithAuth("digest", []byte("u:p"))), t.Context()
	must(c.Create(ctx, "/e", []byte("x"), zk.Ephemeral, zk.AuthACL(zk.PermAll)))(t)
	_, _, data, err := c.GetW(ctx, "/e")
	wantErr(t, "getW", err, nil)
	stay := must(c.AddWatch(ctx, "/e", zk.WatchPersistent))(t)
	id := c.SessionID()
	wantErr(t, "restart", s.Restart(), nil)
	if e, err := stay.Next(ctx); e.Type != zk.EventResync || err != nil {
		t.Errorf("behind the gap: %+v %v", e, err)
	}
	must(c.Set(ctx, "/e", []byte("y"), 0))(t)
	if e := <-data; e.Type != zk.EventNodeDataChanged {
		t.Errorf("the watch that came along: %+v", e)
	}
	if e, err := stay.Next(ctx); e.Type != zk.EventNodeDataChanged || err != nil {
		t.Errorf("the watch that stays: %+v %v", e, err)
	}
	if paths := must(c.GetEphemerals(ctx, "/"))(t); c.SessionID() != id || len(paths) != 1 {
		t.Errorf("session %x, was %x, owns %v", c.SessionID(), id, paths)
	}
}

func TestLiveExpiry(t *testing.T) {
	s := zktest.Start(t, "tickTime=50")
	first := dial(t, s.Addr(), zk.WithSessionTimeout(100*time.Millisecond))
	ctx := t.Context()
	must(first.Create(ctx, "/e", nil, zk.Ephemeral, nil))(t)
	other := dial(t, s.Addr())
	_, _, gone, err := other.ExistsW(ctx, "/e")
	wantErr(t, "existsW", err, nil)
	first.Detach()
	if e := <-gone; e.Type != zk.EventNodeDeleted {
		t.Errorf("%+v", e)
	}
	late, err := zk.New(s.Addr(), zk.WithSession(first.SessionID(), first.Password()))
	wantErr(t, "new", err, nil)
	<-late.Done()
	wantErr(t, "the session that is over", late.Err(), zk.ErrSessionExpired)
	late.Close()
}

func TestChroot(t *testing.T) {
	s := zktest.Start(t)
	root, ctx := dial(t, s.Addr()), t.Context()
	must(root.Create(ctx, "/app", nil, zk.Persistent, nil))(t)
	c := dial(t, s.Addr()+"/app")
	must(c.Create(ctx, "/x", []byte("x"), zk.Ephemeral, nil))(t)
	if found, _, err := root.Exists(ctx, "/app/x"); !found || err != nil {
		t.Errorf("exists: %v %v", found, err)
	}
	names, _, err := c.Children(ctx, "/")
	if len(names) != 1 || names[0] != "x" || err != nil {
		t.Errorf("children: %v %v", names, err)
	}
	if paths := must(c.GetEphemerals(ctx, "/"))(t); len(paths) != 1 || paths[0] != "/x" {
		t.Errorf("ephemerals: %v", paths)
	}
	_, _, err = c.GetConfig(ctx)
	wantErr(t, "config", err, nil)
	_, _, err = c.Reconfig(ctx, zk.Change{Leaving: "1", From: zk.AnyConfig})
	wantErr(t, "reconfig", err, zk.ErrReconfigDisabled)
}

func TestManyGoroutines(t *testing.T) {
	s := zktest.Start(t)
	c, ctx := dial(t, s.Addr()), t.Context()
	must(c.Create(ctx, "/n", nil, zk.Persistent, nil))(t)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			path := fmt.Sprintf("/n/%d", i)
			for round := range 50 {
				var err error
				if round == 0 {
					_, err = c.Create(ctx, path, nil, zk.Persistent, nil)
				} else {
					_, err = c.Set(ctx, path, []byte(path), int32(round-1))
				}
				if err != nil {
					t.Errorf("%s round %d: %v", path, round, err)
					return
				}
				if data, st, err := c.Get(ctx, path); err != nil || st.Version != int32(round) || round > 0 && string(data) != path {
					t.Errorf("%s round %d: %q version %d %v", path, round, data, st.Version, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkGet(b *testing.B) {
	s, err := zktest.New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Stop()
	c, err := zk.Dial(b.Context(), s.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, _, err := c.Get(context.Background(), "/"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
