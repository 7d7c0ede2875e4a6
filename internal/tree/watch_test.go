package tree

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

var eventNames = map[int32]string{1: "created", 2: "deleted", 3: "data", 4: "children"}

func hitsText(hits []Hit) string {
	var s []string
	for _, h := range hits {
		s = append(s, fmt.Sprintf("%d:%s:%s", h.Conn, eventNames[h.Event], h.Path))
	}
	return strings.Join(s, " ")
}

// Each row is the chapter on watches of the reference: who set what, what
// happens, who is told.
func TestTriggers(t *testing.T) {
	type set struct {
		mode WatchMode
		path string
		conn uint32
	}
	for _, c := range []struct {
		name  string
		sets  []set
		do    func(w *writer)
		want  string
		again string // the same change once more, undone in between
	}{
		{"exists watch, create", []set{{WatchData, "/n", 1}},
			func(w *writer) { w.create([]byte("/n"), nil) }, "1:created:/n", ""},
		{"data watch, set", []set{{WatchData, "/a", 1}},
			func(w *writer) { w.set([]byte("/a"), nil) }, "1:data:/a", ""},
		{"data watch, delete", []set{{WatchData, "/a/1", 1}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "1:deleted:/a/1", ""},
		{"data watch, children", []set{{WatchData, "/a", 1}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "", ""},
		{"child watch, create below", []set{{WatchChild, "/a", 1}},
			func(w *writer) { w.create([]byte("/a/n"), nil) }, "1:children:/a", ""},
		{"child watch, delete below", []set{{WatchChild, "/a", 1}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "1:children:/a", ""},
		{"child watch, set", []set{{WatchChild, "/a", 1}},
			func(w *writer) { w.set([]byte("/a"), nil) }, "", ""},
		{"child watch on the root", []set{{WatchChild, "/", 1}},
			func(w *writer) { w.create([]byte("/n"), nil) }, "1:children:/", ""},
		{"child watch, delete of the node", []set{{WatchChild, "/a/1", 1}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "1:deleted:/a/1", ""},
		{"data and child watch, delete: told once", []set{{WatchData, "/a/1", 1}, {WatchChild, "/a/1", 1}, {WatchChild, "/a/1", 2}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "1:deleted:/a/1 2:deleted:/a/1", ""},
		{"persistent, everything", []set{{WatchPersistent, "/a", 1}},
			func(w *writer) {
				hits := []Hit{}
				for _, f := range []func(){
					func() { w.set([]byte("/a"), nil) },
					func() { w.create([]byte("/a/n"), nil) },
					func() { w.set([]byte("/a/n"), nil) },
					func() { w.remove([]byte("/a/n")) },
				} {
					f()
					hits = append(hits, w.r.Hits...)
				}
				w.r.Hits = hits
			}, "1:data:/a 1:children:/a 1:children:/a", "1:data:/a 1:children:/a 1:children:/a"},
		{"recursive, below", []set{{WatchRecursive, "/", 1}},
			func(w *writer) { w.create([]byte("/a/n"), nil) }, "1:created:/a/n", "1:created:/a/n"},
		{"recursive, itself", []set{{WatchRecursive, "/a", 1}},
			func(w *writer) { w.set([]byte("/a"), nil) }, "1:data:/a", "1:data:/a"},
		{"recursive, never children", []set{{WatchRecursive, "/a", 1}},
			func(w *writer) { w.remove([]byte("/a/1")) }, "1:deleted:/a/1", ""},
		{"recursive, a path that only begins alike", []set{{WatchRecursive, "/a", 1}},
			func(w *writer) { w.create([]byte("/ab"), nil) }, "", ""},
		{"all modes on the way up: told once", []set{{WatchData, "/a/1", 1}, {WatchPersistent, "/a/1", 1}, {WatchRecursive, "/a/1", 1}, {WatchRecursive, "/a", 1}, {WatchRecursive, "/", 1}, {WatchRecursive, "/", 2}},
			func(w *writer) { w.set([]byte("/a/1"), nil) }, "1:data:/a/1 2:data:/a/1", "1:data:/a/1 2:data:/a/1"},
		{"set acl tells nobody", []set{{WatchPersistent, "/a", 1}, {WatchRecursive, "/a", 1}},
			func(w *writer) {
				w.body = (&wire.SetACLTxn{Path: []byte("/a"), ACL: wire.OpenACL}).Append(nil)
				w.apply(wire.OpSetACL, 0)
			}, "", ""},
		{"a change that fails tells nobody", []set{{WatchPersistent, "/a", 1}, {WatchPersistent, "/n", 1}},
			func(w *writer) { w.set([]byte("/n"), nil) }, "", ""},
		{"reconfig", []set{{WatchData, "/zookeeper/config", 1}},
			func(w *writer) {
				w.body = (&wire.SetDataTxn{Path: []byte("/zookeeper/config")}).Append(nil)
				w.apply(wire.OpReconfig, 0)
			}, "1:data:/zookeeper/config", ""},
	} {
		w := walkWriter()
		for _, s := range c.sets {
			w.AddWatch(s.mode, []byte(s.path), s.conn)
		}
		c.do(w)
		if got := hitsText(w.r.Hits); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.again != "" || c.want == "" {
			w.remove([]byte("/a/n"))
			c.do(w)
			if got := hitsText(w.r.Hits); got != c.again {
				t.Errorf("%s, again: %q, want %q", c.name, got, c.again)
			}
		}
		checkTree(t, w.Tree)
	}
}

// The ACL to filter by is that of the node, for children that of the parent.
func TestHitsCarryTheACL(t *testing.T) {
	w := walkWriter()
	w.AddWatch(WatchPersistent, []byte("/a"), 1)
	w.AddWatch(WatchPersistent, []byte("/a/n"), 1)
	w.body = (&wire.CreateTxn{Path: []byte("/a/n"), ACL: readACL, ParentCVersion: -1}).Append(nil)
	for _, typ := range []wire.Opcode{wire.OpCreate, wire.OpDelete} {
		w.apply(typ, 0)
		if len(w.r.Hits) != 2 || !slices.Equal(w.r.Hits[0].ACL, readACL) || !slices.Equal(w.r.Hits[1].ACL, wire.OpenACL) {
			t.Errorf("%v: %+v", typ, w.r.Hits)
		}
		w.body = (&wire.DeleteTxn{Path: []byte("/a/n")}).Append(nil)
	}
}

// In a multi each operation tells for itself, in order; one-shot watches are
// used up by the first.
func TestMultiTriggersInOrder(t *testing.T) {
	w := walkWriter()
	w.AddWatch(WatchPersistent, []byte("/a/n"), 1)
	w.AddWatch(WatchChild, []byte("/a"), 2)
	w.body = jute.AppendInt(nil, 3)
	w.body = wire.AppendSubTxn(w.body, wire.OpCreate, (&wire.CreateTxn{Path: []byte("/a/n"), ACL: wire.OpenACL, ParentCVersion: -1}).Append(nil))
	w.body = wire.AppendSubTxn(w.body, wire.OpSetData, (&wire.SetDataTxn{Path: []byte("/a/n")}).Append(nil))
	w.body = wire.AppendSubTxn(w.body, wire.OpDelete, (&wire.DeleteTxn{Path: []byte("/a/n")}).Append(nil))
	w.apply(wire.OpMulti, 0)
	if got, want := hitsText(w.r.Hits), "1:created:/a/n 2:children:/a 1:data:/a/n 1:deleted:/a/n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRemoveWatches(t *testing.T) {
	all := []WatchMode{WatchData, WatchChild, WatchPersistent, WatchRecursive}
	for _, c := range []struct {
		typ  int32
		gone WatchMode
	}{
		{WatcherChildren, WatchChild},
		{WatcherData, WatchData},
		{WatcherAny, WatchData | WatchChild | WatchPersistent | WatchRecursive},
		{WatcherPersistent, WatchPersistent},
		{WatcherPersistentRecursive, WatchRecursive},
		{6, 0},
	} {
		for _, mode := range all {
			tr := New(Options{})
			tr.AddWatch(mode, []byte("/n"), 1)
			want := mode&c.gone != 0
			if tr.HasWatch(c.typ, []byte("/n"), 1) != want || tr.HasWatch(c.typ, []byte("/n"), 2) || tr.HasWatch(c.typ, []byte("/"), 1) {
				t.Errorf("type %d, mode %d: has watch is wrong", c.typ, mode)
			}
			if tr.RemoveWatches(c.typ, []byte("/n"), 1) != want || want && tr.WatchCount() != 0 {
				t.Errorf("type %d, mode %d: removed is not %v", c.typ, mode, want)
			}
			checkTree(t, tr)
		}
	}
}

func TestSetWatches(t *testing.T) {
	w := walkWriter()
	w.set([]byte("/a"), nil)
	since := w.zxid
	w.set([]byte("/b"), nil)
	w.create([]byte("/b/n"), nil)
	paths := func(p ...string) (out [][]byte) {
		for _, s := range p {
			out = append(out, []byte(s))
		}
		return out
	}
	s := wire.SetWatches{
		RelativeZxid: since,
		Data:         paths("/a", "/b", "/none"), Exist: paths("/a", "/none"), Child: paths("/a", "/b", "/none"),
		Persistent: paths("/b", "/none"), PersistentRecursive: paths("/b"),
	}
	hits := w.SetWatches(&s, 3, nil)
	if got, want := hitsText(hits), "3:data:/b 3:deleted:/none 3:created:/a 3:children:/b 3:deleted:/none"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range []struct {
		typ  int32
		path string
		want bool
	}{
		{WatcherData, "/a", true}, {WatcherData, "/b", false}, {WatcherData, "/none", true},
		{WatcherChildren, "/a", true}, {WatcherChildren, "/b", false}, {WatcherChildren, "/none", false},
		{WatcherPersistent, "/b", true}, {WatcherPersistent, "/none", true}, {WatcherPersistentRecursive, "/b", true},
	} {
		if got := w.HasWatch(c.typ, []byte(c.path), 3); got != c.want {
			t.Errorf("type %d on %s: %v", c.typ, c.path, got)
		}
	}
	// Each table has one entry for /a, /b and /none, whatever the modes.
	if n := w.WatchCount(); n != 6 {
		t.Errorf("%d watches", n)
	}
}

func TestWatchReports(t *testing.T) {
	tr := New(Options{})
	tr.AddWatch(WatchData, []byte("/a"), 1)
	tr.AddWatch(WatchRecursive, []byte("/a"), 1)
	tr.AddWatch(WatchPersistent, []byte("/b"), 1)
	tr.AddWatch(WatchData, []byte("/a"), 4)
	tr.AddWatch(WatchChild, []byte("/c"), 5)
	if c, p, n := tr.WatchSummary(); c != 2 || p != 2 || n != 3 || tr.WatchCount() != 5 {
		t.Errorf("%d connections, %d paths, %d watches, count %d", c, p, n, tr.WatchCount())
	}
	var got []string
	tr.WatchesByConn(func(conn uint32, path []byte) bool { got = append(got, fmt.Sprint(conn, string(path))); return true })
	if want := []string{"1/a", "1/b", "4/a"}; !slices.Equal(got, want) {
		t.Errorf("by connection: %q", got)
	}
	got = nil
	tr.WatchesByPath(func(path []byte, conn uint32) bool { got = append(got, fmt.Sprint(string(path), conn)); return true })
	if want := []string{"/a1", "/a4", "/b1"}; !slices.Equal(got, want) {
		t.Errorf("by path: %q", got)
	}
	tr.DropConn(1)
	tr.DropConn(99)
	checkTree(t, tr)
	if tr.WatchCount() != 2 {
		t.Errorf("%d watches left", tr.WatchCount())
	}
}

func TestStampWrapsAround(t *testing.T) {
	w := walkWriter()
	w.AddWatch(WatchPersistent, []byte("/a"), 1)
	w.set([]byte("/a"), nil)
	w.watches.stamp = ^uint32(0)
	for range 3 {
		if w.set([]byte("/a"), nil); len(w.r.Hits) != 1 {
			t.Fatalf("%d hits", len(w.r.Hits))
		}
	}
}

// TestWatchMemory prints and bounds what a watch costs: many connections on
// the same paths, and one connection on many.
func TestWatchMemory(t *testing.T) {
	const n = 200_000
	for _, c := range []struct {
		name   string
		path   func(i int) string
		conn   func(i int) uint32
		budget float64
	}{
		{"1,000 connections on 200 paths each", func(i int) string { return fmt.Sprint("/services/service/", i%200) }, func(i int) uint32 { return uint32(i / 200) }, 40},
		{"a path each", func(i int) string { return fmt.Sprint("/services/service/", i) }, func(i int) uint32 { return uint32(i % 1000) }, 120},
	} {
		tr := New(Options{})
		before := heap()
		for i := range n {
			tr.AddWatch(WatchData, []byte(c.path(i)), c.conn(i))
		}
		per := float64(heap()-before) / n
		t.Logf("%s: %.1f bytes a watch", c.name, per)
		if per > c.budget || tr.WatchCount() != n {
			t.Errorf("%s: %.1f bytes a watch, %d watches", c.name, per, tr.WatchCount())
		}
		runtime.KeepAlive(tr)
	}
}

func BenchmarkFireThousand(b *testing.B) {
	w := walkWriter()
	for c := range uint32(1000) {
		w.AddWatch(WatchPersistent, []byte("/a"), c)
	}
	b.ReportAllocs()
	for range b.N {
		w.set([]byte("/a"), nil)
	}
}

func BenchmarkAddAndFire(b *testing.B) {
	w := walkWriter()
	b.ReportAllocs()
	for range b.N {
		w.AddWatch(WatchData, []byte("/a"), 7)
		w.set([]byte("/a"), nil)
	}
}
