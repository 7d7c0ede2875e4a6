package tree

import (
	"bytes"
	"strings"
	"testing"

	"zooid/internal/wire"
)

func TestLoaderRefuses(t *testing.T) {
	for _, c := range []struct{ name, paths, want string }{
		{"a parent that is missing", " /a /a/b /c/d", `"/c/d": its parent "/c"`},
		{"no slash", " /a b", `"b": not a path`},
		{"an empty name", " /a /a/", `"/a/": not a path`},
		{"no root", "", "no root"},
		{"a node twice", " /a /b /a", `"/a" comes twice`},
		{"a node twice, the index is built", " /a /b /a/x /b/x /a/x", `"/a/x" comes twice`},
		{"the root twice", " /a ", "the root comes twice"},
	} {
		l := NewLoader(Options{})
		var err error
		if c.paths != "" {
			for _, p := range strings.Split(c.paths, " ") {
				if err == nil {
					err = l.AddNode([]byte(p), nil, -1, &wire.StatPersisted{})
				}
			}
		}
		if err == nil {
			_, err = l.Finish(1)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A node whose ACL the cache lacks, as Java's snapshots may have it, is locked
// until the log sets the ACL again.
func TestLoaderWithoutTheACL(t *testing.T) {
	l := NewLoader(Options{})
	for _, p := range []string{"", "/a", "/b"} {
		if err := l.AddNode([]byte(p), nil, 5, &wire.StatPersisted{}); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := l.Finish(1)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{Tree: tr, zxid: 1}
	if !bytes.Equal(w.ACL(w.Lookup([]byte("/a"))), lockedACL) || w.ACLCount() != 1 {
		t.Errorf("ACL % x", w.ACL(w.Lookup([]byte("/a"))))
	}
	w.create([]byte("/a"), nil) // replayed
	if !bytes.Equal(w.ACL(w.Lookup([]byte("/a"))), wire.OpenACL) {
		t.Errorf("ACL % x", w.ACL(w.Lookup([]byte("/a"))))
	}
	checkTree(t, tr)
}

// Nodes may come in any order that has parents first; unused ACLs are
// forgotten; numbers of a cache need not be small.
func TestLoaderOrder(t *testing.T) {
	for _, order := range []string{
		". /a /a/b /a/b/c /d /d/e", ". /d /a /d/e /a/b /a/b/c", ". /a /d /d/e /a/b /a/b/c", "/a /d . /a/b /d/e /a/b/c",
	} {
		l := NewLoader(Options{Digest: true})
		l.AddACL(1, readACL)
		l.AddACL(1<<40, wire.AppendACLs(nil, []wire.ACL{{Perms: 2, ID: wire.ID{Scheme: "ip", ID: "::1"}}}))
		l.AddACL(3, wire.OpenACL)
		for i, p := range strings.Split(order, " ") {
			s, acl := wire.StatPersisted{Czxid: 2, Pzxid: 5, Cversion: 3}, int64(3)
			switch p {
			case ".": // the root, which may even come late
				p = ""
			case "/a":
				s.EphemeralOwner, acl = ContainerOwner, 1<<40
			case "/a/b/c":
				s.EphemeralOwner = 9
			}
			add := l.AddNode
			if i%2 == 1 {
				add = func(path, data []byte, aclID int64, s *wire.StatPersisted) error {
					return l.AddDigested(path, data, aclID, s, new(Digester).Node(path, data, s))
				}
			}
			if err := add([]byte(p), []byte(p), acl, &s); err != nil {
				t.Fatalf("%s: %v", order, err)
			}
		}
		tr, err := l.Finish(7)
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, tr)
		for _, p := range []string{"", "/a", "/a/b", "/a/b/c", "/d", "/d/e"} {
			r := tr.Lookup([]byte(p))
			var s wire.StatPersisted
			if tr.Persisted(r, &s); r == 0 || string(tr.Data(r)) != p || s.Pzxid != 5 || s.Cversion != 3 {
				t.Errorf("%s: %q is %q %+v", order, p, tr.Data(r), s)
			}
		}
		if tr.LastZxid() != 7 || tr.EphemeralCount() != 1 {
			t.Errorf("%s: %d ephemerals", order, tr.EphemeralCount())
		}
	}
}

// cut returns the nodes of a tree as a snapshot has them.
func cut(w *writer, n int) []byte {
	out, _ := w.BeginWalk().Next(make([]byte, 0, n), n)
	return out
}

func BenchmarkWalk(b *testing.B) {
	w, _ := benchTree(b)
	out := make([]byte, 0, 2<<20)
	for range b.N {
		walk := w.BeginWalk()
		for done := false; !done; {
			out, done = walk.Next(out[:0], 1<<20)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchNodes, "ns/node")
}

func BenchmarkLoad(b *testing.B) {
	w, _ := benchTree(b)
	nodes := cut(w, 300<<20)
	b.ResetTimer()
	for range b.N {
		l := NewLoader(Options{Seed: 1})
		loadNodes(b, l, nodes)
		if tr, err := l.Finish(w.zxid); err != nil || tr.NodeCount() != w.NodeCount() {
			b.Fatal("loaded wrong", err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchNodes, "ns/node")
}
