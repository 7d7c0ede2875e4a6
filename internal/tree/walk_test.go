package tree

import (
	"fmt"
	"hash/adler32"
	"maps"
	"slices"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// The first snapshot of a fresh server, up to its first seal, is that of
// Apache's byte for byte: the checksum is the one in the reference.
func TestFreshSnapshot(t *testing.T) {
	w := New(Options{Digest: true}).BeginWalk()
	b := []byte("ZKSN")
	b = jute.AppendInt(b, 2)
	b = jute.AppendLong(b, -1)
	b = jute.AppendInt(b, 0) // sessions
	b = w.AppendACLs(b)
	b, done := w.Next(b, 1<<20)
	b = jute.AppendString(b, "/")
	if sum := adler32.Checksum(b); sum != 0xb8a23b49 || !done {
		t.Errorf("checksum %#x, done %v", sum, done)
	}
}

// handed reads what a walk gave: path -> data.
func handed(t *testing.T, b []byte) map[string]string {
	t.Helper()
	out := make(map[string]string)
	d := jute.NewDecoder(b)
	for d.Len() > 0 {
		path, data := d.String(), d.String()
		d.Long()
		var s wire.StatPersisted
		if s.Decode(&d); d.Err() != nil {
			t.Fatal(d.Err())
		}
		if _, twice := out[path]; twice {
			t.Fatalf("%q comes twice", path)
		}
		out[path] = fmt.Sprint(data, s.Mzxid, s.Pzxid, s.Version, s.Cversion, s.Aversion)
	}
	return out
}

// snapshot is the whole tree at once.
func (w *writer) snapshot(t *testing.T) map[string]string {
	t.Helper()
	b, _ := w.BeginWalk().Next(nil, 1<<30)
	return handed(t, b)
}

// walkWriter makes /a, /b, /c with two children each.
func walkWriter() *writer {
	w := &writer{Tree: New(Options{Seed: 1, Digest: true})}
	for _, p := range []string{"/a", "/b", "/c"} {
		w.create([]byte(p), []byte("x"))
		w.create([]byte(p+"/1"), []byte("x"))
		w.create([]byte(p+"/2"), []byte("x"))
	}
	return w
}

// One node is handed out a turn; whatever happens in between, and wherever the
// walk stands, the walk gives the tree at the cut.
func TestWalkIsAnExactCut(t *testing.T) {
	path := func(p string) []byte { return []byte(p) }
	setACL := func(w *writer, p string) {
		w.body = (&wire.SetACLTxn{Path: path(p), ACL: readACL, Version: 9}).Append(nil)
		w.apply(wire.OpSetACL, 0)
	}
	for name, change := range map[string]func(w *writer){
		"set":     func(w *writer) { w.set(path("/b/1"), path("new")) },
		"set acl": func(w *writer) { setACL(w, "/b/2") },
		"create":  func(w *writer) { w.create(path("/b/3"), nil) },
		"replay of a create raises the parent": func(w *writer) {
			w.body = (&wire.CreateTxn{Path: path("/b/1"), ACL: readACL, ParentCVersion: 100}).Append(nil)
			w.apply(wire.OpCreate, 0)
		},
		"replay of a delete raises the parent": func(w *writer) { w.remove(path("/c/none")) },
		"a ref is used again in front": func(w *writer) {
			w.remove(path("/b/2"))
			w.create(path("/a/0"), path("new"))
		},
		"a ref is used again behind": func(w *writer) {
			w.remove(path("/a/2"))
			w.create(path("/c/0"), path("new"))
		},
		"a parent goes and its ref is used again": func(w *writer) {
			w.remove(path("/b/1"))
			w.remove(path("/b/2"))
			w.remove(path("/b"))
			w.create(path("/d"), path("new"))
			w.create(path("/c/4"), path("new"))
			w.create(path("/c/5"), path("new"))
		},
		"a subtree goes": func(w *writer) { w.remove(path("/b")) },
		"everything goes": func(w *writer) {
			for _, p := range []string{"/a", "/b", "/c"} {
				w.remove(path(p))
			}
		},
		"a quota is counted": func(w *writer) {
			w.create(path("/zookeeper/quota/b"), nil)
			w.create(path("/zookeeper/quota/b/zookeeper_limits"), path("count=1,bytes=1"))
			w.create(path("/zookeeper/quota/b/zookeeper_stats"), path("count=0,bytes=0"))
			w.create(path("/b/3"), nil)
		},
		"the configuration": func(w *writer) { w.SetConfig(path("version=1"), 7, 8, &w.r) },
	} {
		for at := range 14 { // turns before the change
			w := walkWriter()
			want := w.snapshot(t)
			walk := w.BeginWalk()
			var out []byte
			done := false
			for turn := 0; !done; turn++ {
				if turn == at {
					change(w)
				}
				out, done = walk.Next(out, 1)
			}
			if got := handed(t, out); !maps.Equal(got, want) {
				t.Errorf("%s after %d turns: got %v\nwant %v", name, at, got, want)
			}
			checkTree(t, w.Tree)
		}
	}
}

// The stats of a quota are rewritten beside the transactions; a walk hands out
// the old ones all the same.
func TestWalkKeepsOldQuotaStats(t *testing.T) {
	w := walkWriter()
	w.create([]byte("/zookeeper/quota/b"), nil)
	w.create([]byte("/zookeeper/quota/b/zookeeper_limits"), []byte("count=1,bytes=1"))
	w.create([]byte("/zookeeper/quota/b/zookeeper_stats"), nil)
	want := w.snapshot(t)
	walk := w.BeginWalk()
	w.set([]byte("/b/1"), []byte("longer"))
	out, _ := walk.Next(nil, 1<<20)
	if got := handed(t, out); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// An ACL that goes after the cut, and whose number another one gets, is still
// the old one in the walk's cache.
func TestWalkKeepsOldACLs(t *testing.T) {
	w := walkWriter()
	set := func(raw []byte) {
		w.body = (&wire.SetACLTxn{Path: []byte("/b"), ACL: raw, Version: 1}).Append(nil)
		w.apply(wire.OpSetACL, 0)
	}
	acl := func(id string) []byte {
		return wire.AppendACLs(nil, []wire.ACL{{Perms: 31, ID: wire.ID{Scheme: "ip", ID: id}}})
	}
	set(acl("1.1.1.1"))
	walk := w.BeginWalk()
	set(wire.OpenACL)
	set(acl("2.2.2.2"))
	cache := walk.AppendACLs(nil)
	nodes, _ := walk.Next(nil, 1<<20)
	l := NewLoader(Options{})
	d := jute.NewDecoder(cache)
	for n := d.Int(); n > 0; n-- {
		l.AddACL(d.Long(), wire.RawACLs(&d))
	}
	loadNodes(t, l, nodes)
	tr, err := l.Finish(1)
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.ACL(tr.Lookup([]byte("/b"))); !slices.Equal(got, acl("1.1.1.1")) {
		t.Errorf("ACL % x", got)
	}
}

func loadNodes(t testing.TB, l *Loader, b []byte) {
	t.Helper()
	d := jute.NewDecoder(b)
	for d.Len() > 0 {
		path, data, id := d.Text(), d.Buffer(), d.Long()
		var s wire.StatPersisted
		if s.Decode(&d); d.Err() != nil {
			t.Fatal(d.Err())
		}
		if err := l.AddNode(path, data, id, &s); err != nil {
			t.Fatal(err)
		}
	}
}

// A walk over many nodes made after the cut goes on in turns, too.
func TestWalkTurnsAreBounded(t *testing.T) {
	w := walkWriter()
	walk := w.BeginWalk()
	for i := range 5000 {
		w.create(fmt.Appendf(nil, "/a/%d", i), nil)
	}
	turns := 0
	for done := false; !done; turns++ {
		if _, done = walk.Next(nil, 100); turns > 1000 {
			t.Fatal("the walk does not end")
		}
	}
	if turns < 50 {
		t.Errorf("%d turns", turns)
	}
}

func TestWalkEndsOnce(t *testing.T) {
	w := walkWriter()
	walk := w.BeginWalk()
	walk.Next(nil, 1)
	walk.Abort()
	walk.Abort()
	w.set([]byte("/c"), nil)
	if out, done := walk.Next(nil, 100); len(out) != 0 || !done || len(w.walks) != 0 {
		t.Errorf("an aborted walk gave %d bytes", len(out))
	}
}
