package tree

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func TestLoaderRefuses(t *testing.T) {
	for _, c := range []struct{ name, paths, want string }{
		{"a parent that is missing", " /a /a/b /c/d", `"/c/d": its parent "/c"`},
		{"no slash", " /a b", `"b": not a path`},
		{"an empty name", " /a /a/", `"/a/": not a path`},
		{"no root", "", "no root"},
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

// A path that comes twice is overwritten; unused ACLs are forgotten; numbers
// of a cache need not be small.
func TestLoaderOverwrites(t *testing.T) {
	l := NewLoader(Options{Digest: true})
	l.AddACL(1, readACL)
	l.AddACL(1<<40, wire.AppendACLs(nil, []wire.ACL{{Perms: 2, ID: wire.ID{Scheme: "ip", ID: "::1"}}}))
	l.AddACL(3, wire.OpenACL)
	add := func(path, data string, acl int64, s wire.StatPersisted) {
		if err := l.AddNode([]byte(path), []byte(data), acl, &s); err != nil {
			t.Fatal(err)
		}
	}
	add("", "", 3, wire.StatPersisted{})
	add("/a", "one", 1, wire.StatPersisted{EphemeralOwner: 9, Czxid: 1, Pzxid: 1})
	add("/a", "number two", 1<<40, wire.StatPersisted{EphemeralOwner: ContainerOwner, Czxid: 2, Pzxid: 5, Cversion: 3})
	add("/a/b", "", 3, wire.StatPersisted{EphemeralOwner: 9})
	add("", "root", -1, wire.StatPersisted{Mzxid: 4})
	tr, err := l.Finish(7)
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, tr)
	r := tr.Lookup([]byte("/a"))
	var s wire.StatPersisted
	tr.Persisted(r, &s)
	if s != (wire.StatPersisted{EphemeralOwner: ContainerOwner, Czxid: 2, Pzxid: 5, Cversion: 3}) || string(tr.Data(r)) != "number two" {
		t.Errorf("%+v %q", s, tr.Data(r))
	}
	if tr.ACLCount() != 1 || tr.ContainerCount() != 1 || tr.EphemeralCount() != 1 || tr.LastZxid() != 7 || string(tr.Data(Root)) != "root" {
		t.Errorf("%d ACLs, %d containers, %d ephemerals", tr.ACLCount(), tr.ContainerCount(), tr.EphemeralCount())
	}
}

func BenchmarkWalkAndLoad(b *testing.B) {
	w, _ := fill(b, 1_000_000, Options{Seed: 1, Digest: true})
	b.ResetTimer()
	for range b.N {
		start := cpuTime()
		walk, out := w.BeginWalk(), []byte(nil)
		for done := false; !done; {
			var piece []byte
			piece, done = walk.Next(out[:len(out):cap(out)], 1<<20)
			out = piece
		}
		walked := cpuTime()
		l := NewLoader(Options{Seed: 1, Digest: true})
		d := jute.NewDecoder(out)
		for d.Len() > 0 {
			path, data, id := d.Text(), d.Buffer(), d.Long()
			var s wire.StatPersisted
			s.Decode(&d)
			if err := l.AddNode(path, data, id, &s); err != nil {
				b.Fatal(err)
			}
		}
		if tr, err := l.Finish(w.zxid); err != nil || tr.Digest() != w.Digest() {
			b.Fatal(fmt.Sprint("loaded wrong", err))
		}
		b.ReportMetric(float64(walked-start)/1e6, "walk-cpu-ns/node")
		b.ReportMetric(float64(cpuTime()-walked)/1e6, "load-cpu-ns/node")
	}
}
