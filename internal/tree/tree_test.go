package tree

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func TestFreshTree(t *testing.T) {
	tr := New(Options{Seed: 1, Digest: true})
	if d := tr.Digest(); d != 0x51c6d660 {
		t.Errorf("digest %#x", d)
	}
	if n := tr.NodeCount(); n != 5 {
		t.Errorf("%d nodes", n)
	}
	if n := tr.DataSize(); n != 44 {
		t.Errorf("data size %d", n)
	}
	var s wire.Stat
	for path, want := range map[string]wire.Stat{
		"/":                 {Cversion: -1, NumChildren: 1},
		"/zookeeper":        {Cversion: -2, NumChildren: 2},
		"/zookeeper/config": {Aversion: -1},
		"/zookeeper/quota":  {},
	} {
		if tr.Stat(tr.Lookup([]byte(path)), &s); s != want {
			t.Errorf("%s: %+v", path, s)
		}
		if data := tr.Data(tr.Lookup([]byte(path))); data == nil || len(data) > 0 {
			t.Errorf("%s: data %q", path, data)
		}
	}
	checkTree(t, tr)
}

func TestLookup(t *testing.T) {
	w := walkWriter()
	for path, want := range map[string]string{
		"": "/", "/": "/", "/a": "/a", "/a/1": "/a/1",
		"a": "", "x": "", "/a/": "", "//a": "", "/a//1": "", "a/1": "", "/a/1/": "", "/A": "", "/a/11": "", "/1": "", "/\x00": "",
	} {
		r := w.Lookup([]byte(path))
		if got := ""; r != 0 {
			got = string(w.Path(nil, r))
			if got != want {
				t.Errorf("%q is %q", path, got)
			}
		} else if want != "" {
			t.Errorf("%q is missing", path)
		}
	}
	r := w.Lookup([]byte("/a/1"))
	if w.Parent(r) != w.Lookup([]byte("/a")) || w.Parent(Root) != 0 || string(w.Name([]byte("="), r)) != "=1" {
		t.Errorf("parent %d", w.Parent(r))
	}
	if got := string(w.Path([]byte("="), r)); got != "=/a/1" {
		t.Errorf("path %q", got)
	}
	names := 0
	w.Children(Root, func([]byte) bool { names++; return names < 2 })
	if names != 2 {
		t.Errorf("%d names", names)
	}
	if got, want := w.AppendChildren(nil, w.Lookup([]byte("/a"))), wire.AppendPaths(nil, [][]byte{{'1'}, {'2'}}); !bytes.Equal(got, want) {
		t.Errorf("children % x", got)
	}
}

// The stat of each kind of node, and what its children do to it.
func TestStat(t *testing.T) {
	const ttl = 77
	for _, c := range []struct {
		name  string
		opt   Options
		typ   wire.Opcode
		owner int64 // as persisted
		shown int64
	}{
		{"persistent", Options{}, wire.OpCreate, 0, 0},
		{"ephemeral", Options{}, wire.OpCreate2, 5, 5},
		{"container", Options{}, wire.OpCreateContainer, ContainerOwner, 0},
		{"ttl", Options{ExtendedTypes: true}, wire.OpCreateTTL, TTLOwner(ttl), 0},
		{"ttl without extended types", Options{}, wire.OpCreateTTL, TTLOwner(ttl), TTLOwner(ttl)},
	} {
		w := &writer{Tree: New(c.opt)}
		switch c.typ {
		case wire.OpCreateContainer:
			w.body = (&wire.CreateContainerTxn{Path: []byte("/n"), Data: []byte("abc"), ACL: wire.OpenACL, ParentCVersion: 1}).Append(nil)
		case wire.OpCreateTTL:
			w.body = (&wire.CreateTTLTxn{Path: []byte("/n"), Data: []byte("abc"), ACL: wire.OpenACL, ParentCVersion: 1, TTL: ttl}).Append(nil)
		default:
			w.body = (&wire.CreateTxn{Path: []byte("/n"), Data: []byte("abc"), ACL: wire.OpenACL, ParentCVersion: 1, Ephemeral: c.owner != 0}).Append(nil)
		}
		w.apply(c.typ, 5)
		now := int64(1700000000001)
		want := wire.Stat{Czxid: 1, Mzxid: 1, Pzxid: 1, Ctime: now, Mtime: now, DataLength: 3, EphemeralOwner: c.shown}
		if w.r.Stat != want || w.r.Err != 0 || string(w.r.Path) != "/n" {
			t.Errorf("%s: %+v", c.name, w.r)
		}
		r := w.Lookup([]byte("/n"))
		if w.Owner(r) != c.owner || w.IsOrdinaryEphemeral(r) != (c.shown != 0) {
			t.Errorf("%s: owner %x", c.name, w.Owner(r))
		}
		w.create([]byte("/n/1"), nil)
		w.create([]byte("/n/2"), nil)
		w.remove([]byte("/n/1"))
		w.set([]byte("/n"), nil)
		want.Mzxid, want.Mtime, want.Version, want.DataLength = 5, now+4, 1, 0
		want.Pzxid, want.Cversion, want.NumChildren = 4, 3, 1
		var s wire.Stat
		if w.Stat(r, &s); s != want || w.Cversion(r) != 2 || w.Data(r) != nil {
			t.Errorf("%s: %+v, cversion %d", c.name, s, w.Cversion(r))
		}
		checkTree(t, w.Tree)
	}
}

func TestOwnerKinds(t *testing.T) {
	plain, extended, old := New(Options{}), New(Options{ExtendedTypes: true}), New(Options{ExtendedTypes: true, Emulate353: true})
	for _, c := range []struct {
		owner                int64
		plain, extended, old kind
	}{
		{0, persistent, persistent, persistent},
		{0x100000000000001, ordinary, ordinary, ordinary},
		{ContainerOwner, container, container, container},
		{TTLOwner(1), ordinary, ttlNode, ttlNode},
		{TTLOwner(MaxTTL), ordinary, ttlNode, ttlNode},
		{TTLOwner(1) | 1<<41, ordinary, ordinary, ttlNode},
		{ContainerOwner | 5, ordinary, ordinary, ttlNode},
	} {
		if a, b, d := plain.kindOf(c.owner), extended.kindOf(c.owner), old.kindOf(c.owner); a != c.plain || b != c.extended || d != c.old {
			t.Errorf("%x: %d %d %d", uint64(c.owner), a, b, d)
		}
	}
}

func TestDataOfEverySize(t *testing.T) {
	w := &writer{Tree: New(Options{Digest: true})}
	long := []byte("/" + strings.Repeat("n", 300))
	w.create([]byte("/s"), nil)
	w.create(long, nil)
	for _, size := range []int{0, 1, 5, 6, 7, 100, 125, 126, 127, 300, 4000, 4094, 4095, 4096, 5000, 4500, 4200, 1 << 20, 70, 0} {
		data := bytes.Repeat([]byte{byte(size)}, size)
		for _, p := range [][]byte{[]byte("/s"), long} {
			w.set(p, data)
			r := w.Lookup(p)
			if got := w.Data(r); !bytes.Equal(got, data) || got == nil || string(w.Path(nil, r)) != string(p) {
				t.Fatalf("%d bytes at %.9s: got %d", size, p, len(got))
			}
		}
		checkTree(t, w.Tree)
	}
}

// The rules for a transaction that a tree already holds (storage formats, 5).
func TestReplay(t *testing.T) {
	type parent struct {
		cversion int32
		pzxid    int64
	}
	create := func(typ wire.Opcode, cversion int32) func(w *writer) {
		return func(w *writer) {
			w.body = (&wire.CreateTxn{Path: []byte("/a/1"), Data: []byte("y"), ACL: readACL, ParentCVersion: cversion}).Append(nil)
			w.apply(typ, 0)
		}
	}
	for _, c := range []struct {
		name string
		do   func(w *writer)
		code wire.Code
		want parent // before: 2 children created, pzxid 3
	}{
		{"create, node exists", create(wire.OpCreate, 2), wire.CodeNodeExists, parent{2, 3}},
		{"create, node exists, raises the parent", create(wire.OpCreate, 7), wire.CodeNodeExists, parent{7, 10}},
		{"create without cversion, node exists", create(wire.OpCreate, -1), wire.CodeNodeExists, parent{3, 10}},
		{"create2, node exists", create(wire.OpCreate2, 7), wire.CodeNodeExists, parent{2, 3}},
		{"create, lower cversion", func(w *writer) {
			w.body = (&wire.CreateTxn{Path: []byte("/a/n"), ACL: wire.OpenACL, ParentCVersion: 1}).Append(nil)
			w.apply(wire.OpCreate, 0)
		}, wire.CodeOK, parent{2, 3}},
		{"create of 3.3, without cversion", func(w *writer) {
			b := (&wire.CreateTxn{Path: []byte("/a/n"), ACL: wire.OpenACL}).Append(nil)
			w.body = b[:len(b)-4]
			w.apply(wire.OpCreate, 0)
		}, wire.CodeOK, parent{3, 10}},
		{"delete, node missing", func(w *writer) { w.remove([]byte("/a/none")) }, wire.CodeNoNode, parent{2, 10}},
		{"delete, parent missing", func(w *writer) { w.remove([]byte("/none/none")) }, wire.CodeNoNode, parent{2, 3}},
		{"create, parent missing", func(w *writer) { w.create([]byte("/none/none"), nil) }, wire.CodeNoNode, parent{2, 3}},
		{"set, node missing", func(w *writer) { w.set([]byte("/a/none"), nil) }, wire.CodeNoNode, parent{2, 3}},
		{"delete of the root", func(w *writer) { w.remove([]byte("/")) }, wire.CodeNoNode, parent{2, 3}},
		{"create of the root", func(w *writer) { w.create([]byte("/"), nil) }, wire.CodeNodeExists, parent{2, 3}},
		{"no path", func(w *writer) { w.create([]byte("n"), nil) }, wire.CodeNoNode, parent{2, 3}},
		{"an empty name", func(w *writer) { w.create([]byte("/a/"), nil) }, wire.CodeNoNode, parent{2, 3}},
		{"a poisoned createTTL", func(w *writer) {
			w.body = (&wire.CreateTTLTxn{Path: []byte("/a/n"), ACL: wire.OpenACL, TTL: -1}).Append(nil)
			w.apply(wire.OpCreateTTL, 0)
		}, wire.CodeBadArguments, parent{2, 3}},
		{"error", func(w *writer) {
			w.body = (&wire.ErrorTxn{Err: wire.CodeNotEmpty}).Append(nil)
			w.apply(wire.OpError, 0)
		}, wire.CodeNotEmpty, parent{2, 3}},
		{"createSession", func(w *writer) { w.apply(wire.OpCreateSession, 4) }, wire.CodeOK, parent{2, 3}},
		{"unknown type", func(w *writer) { w.apply(wire.OpSync, 4) }, wire.CodeMarshallingError, parent{2, 3}},
		{"null path", func(w *writer) { w.set(nil, nil) }, wire.CodeMarshallingError, parent{2, 3}},
		{"cut off", func(w *writer) {
			w.body = []byte{0, 0, 0, 9, '/'}
			w.apply(wire.OpSetData, 4)
		}, wire.CodeMarshallingError, parent{2, 3}},
	} {
		w := walkWriter()
		var before wire.Stat
		w.Stat(w.Lookup([]byte("/a/1")), &before)
		c.do(w)
		if w.r.Err != c.code || w.LastZxid() != 10 {
			t.Errorf("%s: %v at %d", c.name, w.r.Err, w.LastZxid())
		}
		var s wire.StatPersisted
		if w.Persisted(w.Lookup([]byte("/a")), &s); s.Cversion != c.want.cversion || s.Pzxid != c.want.pzxid {
			t.Errorf("%s: cversion %d, pzxid %d", c.name, s.Cversion, s.Pzxid)
		}
		r := w.Lookup([]byte("/a/1"))
		var after wire.Stat
		if w.Stat(r, &after); after != before || string(w.Data(r)) != "x" {
			t.Errorf("%s: node is %+v now", c.name, after)
		}
		if c.code == wire.CodeNodeExists && strings.HasPrefix(c.name, "create,") && !bytes.Equal(w.ACL(r), readACL) {
			t.Errorf("%s: the ACL is not replaced", c.name)
		}
		checkTree(t, w.Tree)
	}
}

// A lower zxid, as of a log read a second time, does not take the tree back.
func TestLastZxidOnlyRises(t *testing.T) {
	w := walkWriter()
	w.zxid = 3
	w.set([]byte("/a"), nil)
	if w.LastZxid() != 9 {
		t.Errorf("last zxid %d", w.LastZxid())
	}
}

// Over a snapshot of Java's a delete may meet a node that has children of a
// later life; what makes them follows in the log.
func TestDeleteWithChildren(t *testing.T) {
	w := walkWriter()
	w.AddWatch(WatchRecursive, []byte("/a"), 1)
	w.create([]byte("/a/1/deep"), nil)
	w.remove([]byte("/a"))
	if w.r.Err != wire.CodeOK || w.Lookup([]byte("/a/1/deep")) != 0 || w.Lookup([]byte("/a")) != 0 || w.NodeCount() != 11 {
		t.Errorf("%v, %d nodes left", w.r.Err, w.NodeCount())
	}
	if got, want := hitsText(w.r.Hits), "1:deleted:/a/1/deep 1:deleted:/a/1 1:deleted:/a/2 1:deleted:/a"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	checkTree(t, w.Tree)
}

func (w *writer) ephemeral(path string, session int64) {
	w.body = (&wire.CreateTxn{Path: []byte(path), ACL: wire.OpenACL, Ephemeral: true, ParentCVersion: -1}).Append(nil)
	w.apply(wire.OpCreate, session)
}

func (w *writer) owns(session int64) (paths []string) {
	w.EphemeralPaths(session, func(p []byte) bool { paths = append(paths, string(p)); return true })
	return paths
}

func TestCloseSession(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		left string
	}{
		{"listed", wire.AppendPaths(nil, [][]byte{[]byte("/a/e1"), []byte("/e3"), []byte("/b/e2")}), "/c/e4"},
		{"body of 3.5: none", nil, "/c/e4"},
		{"empty list", wire.AppendPaths(nil, nil), "/c/e4"},
		{"part of the list, a missing one, one of another", wire.AppendPaths(nil, [][]byte{[]byte("/e3"), []byte("/none"), []byte("/c/e4")}), ""},
	} {
		w := walkWriter()
		w.ephemeral("/a/e1", 5)
		w.ephemeral("/b/e2", 5)
		w.ephemeral("/e3", 5)
		w.ephemeral("/c/e4", 6)
		if got := strings.Join(w.owns(5), " "); got != "/a/e1 /b/e2 /e3" || w.EphemeralCount() != 4 {
			t.Fatalf("session owns %q", got)
		}
		if got := w.EphemeralSessions(); !slices.Equal(got, []int64{5, 6}) {
			t.Fatalf("sessions %v", got)
		}
		w.AddWatch(WatchRecursive, []byte("/"), 1)
		w.body = c.body
		w.apply(wire.OpCloseSession, 5)
		if w.r.Err != 0 || len(w.owns(5)) != 0 || strings.Join(w.owns(6), " ") != c.left {
			t.Errorf("%s: %v, left %q %q", c.name, w.r.Err, w.owns(5), w.owns(6))
		}
		told := strings.Fields(hitsText(w.r.Hits))
		slices.Sort(told)
		want := []string{"1:deleted:/a/e1", "1:deleted:/b/e2", "1:deleted:/e3"}
		if c.left == "" {
			want = append(want, "1:deleted:/c/e4")
			slices.Sort(want)
		}
		if !slices.Equal(told, want) {
			t.Errorf("%s: told %q", c.name, told)
		}
		checkTree(t, w.Tree)
	}
}

func TestAppendEphemerals(t *testing.T) {
	w := walkWriter()
	w.ephemeral("/a/e1", 5)
	w.ephemeral("/ab", 5)
	w.ephemeral("/b/e2", 5)
	for prefix, want := range map[string]string{
		"": "/a/e1 /ab /b/e2", "/": "/a/e1 /ab /b/e2", " \t": "/a/e1 /ab /b/e2", " / ": "/a/e1 /ab /b/e2",
		"/a": "/a/e1 /ab", "/a/": "/a/e1", "/b/e2": "/b/e2", "/none": "", "a": "",
	} {
		d := jute.NewDecoder(w.AppendEphemerals([]byte{}, 5, []byte(prefix)))
		var got []string
		for n := d.Count(4); n > 0; n-- {
			got = append(got, d.String())
		}
		if strings.Join(got, " ") != want || d.Err() != nil || d.Len() != 0 {
			t.Errorf("%q: %q", prefix, got)
		}
	}
	if got := w.AppendEphemerals(nil, 99, nil); !bytes.Equal(got, []byte{0, 0, 0, 0}) {
		t.Errorf("no session: % x", got)
	}
}

func TestSweep(t *testing.T) {
	w := &writer{Tree: New(Options{ExtendedTypes: true})}
	born := map[string]int64{}
	container := func(path string) {
		w.body = (&wire.CreateContainerTxn{Path: []byte(path), ACL: wire.OpenACL, ParentCVersion: -1}).Append(nil)
		w.apply(wire.OpCreateContainer, 0)
		born[path] = w.r.Stat.Mtime
	}
	ttl := func(path string, ms int64) {
		w.body = (&wire.CreateTTLTxn{Path: []byte(path), ACL: wire.OpenACL, ParentCVersion: -1, TTL: ms}).Append(nil)
		w.apply(wire.OpCreateTTL, 0)
		born[path] = w.r.Stat.Mtime
	}
	container("/used")
	w.create([]byte("/used/x"), nil)
	w.remove([]byte("/used/x"))
	container("/unused")
	container("/busy")
	w.create([]byte("/busy/x"), nil)
	ttl("/short", 1000)
	ttl("/long", 5000)
	ttl("/parent", 1000)
	w.create([]byte("/parent/x"), nil)
	w.ephemeral("/e", 5)
	if w.ContainerCount() != 3 || w.TTLCount() != 3 || w.EphemeralCount() != 1 {
		t.Fatalf("%d containers, %d TTL nodes, %d ephemerals", w.ContainerCount(), w.TTLCount(), w.EphemeralCount())
	}
	for _, c := range []struct {
		now, neverUsed int64
		want           string
	}{
		{born["/unused"], 0, "/used"},
		{born["/short"] + 1000, 0, "/used"},
		{born["/short"] + 1001, 0, "/used /short"},
		{born["/long"] + 5001, 0, "/used /short /long"},
		{born["/unused"] + 500, 500, "/used"},
		{born["/unused"] + 501, 500, "/used /unused"},
	} {
		for _, budget := range []int{1, 3, 100} {
			var got []string
			for cursor, rounds := uint32(0), 0; ; rounds++ {
				cursor = w.Sweep(cursor, budget, c.now, c.neverUsed, func(p []byte) { got = append(got, string(p)) })
				if cursor == 0 || rounds > 100 {
					break
				}
			}
			for path := range born {
				if w.MayGo(w.Lookup([]byte(path)), c.now, c.neverUsed) != slices.Contains(got, path) {
					t.Errorf("at %d: %s may go or not", c.now, path)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("at %d, budget %d: %q, want %q", c.now, budget, got, c.want)
			}
		}
	}
	if w.MayGo(w.Lookup([]byte("/e")), 1<<60, 1) || w.MayGo(Root, 1<<60, 1) {
		t.Error("an ephemeral and the root stay")
	}
	if c := New(Options{}).Sweep(0, 10, 1, 1, nil); c != 0 {
		t.Error("nothing to sweep")
	}
}

// ACLs are kept once, as long as a node has them.
func TestACLsAreShared(t *testing.T) {
	w := walkWriter()
	before := w.ACLCount()
	acl := func(i int) []byte {
		return wire.AppendACLs(nil, []wire.ACL{{Perms: 31, ID: wire.ID{Scheme: "ip", ID: fmt.Sprint("10.0.0.", i)}}})
	}
	set := func(path string, raw []byte) {
		w.body = (&wire.SetACLTxn{Path: []byte(path), ACL: raw, Version: 1}).Append(nil)
		w.apply(wire.OpSetACL, 0)
	}
	for i := range 200 {
		set("/a", acl(i%5))
		set("/b", acl(i%5))
	}
	if n := w.ACLCount() - before; n != 1 || !bytes.Equal(w.ACL(w.Lookup([]byte("/a"))), acl(4)) {
		t.Errorf("%d ACLs more", n)
	}
	set("/a", wire.AppendACLs(nil, nil))
	set("/b", wire.OpenACL)
	if n := w.ACLCount() - before; n != 0 || !bytes.Equal(w.ACL(w.Lookup([]byte("/a"))), wire.OpenACL) {
		t.Errorf("%d ACLs more", n)
	}
	checkTree(t, w.Tree)
}

func TestMulti(t *testing.T) {
	multi := func(ops ...[]byte) []byte {
		b := jute.AppendInt(nil, int32(len(ops)))
		for _, o := range ops {
			b = append(b, o...)
		}
		return b
	}
	create := wire.AppendSubTxn(nil, wire.OpCreate, (&wire.CreateTxn{Path: []byte("/n"), ACL: wire.OpenACL, ParentCVersion: -1}).Append(nil))
	below := wire.AppendSubTxn(nil, wire.OpCreate2, (&wire.CreateTxn{Path: []byte("/n/1"), ACL: wire.OpenACL, ParentCVersion: -1}).Append(nil))
	check := wire.AppendSubTxn(nil, wire.OpCheck, (&wire.CheckVersionTxn{Path: []byte("/a")}).Append(nil))
	refused := wire.AppendSubTxn(nil, wire.OpError, (&wire.ErrorTxn{Err: wire.CodeBadVersion}).Append(nil))
	none := wire.AppendSubTxn(nil, wire.OpError, (&wire.ErrorTxn{}).Append(nil))
	for _, c := range []struct {
		name string
		body []byte
		code wire.Code
		subs string
		made bool
	}{
		{"all", multi(create, below, check), wire.CodeOK, "create 0 /n; create2 0 /n/1; check 0 /a; ", true},
		{"empty", multi(), wire.CodeOK, "", false},
		{"failed", multi(none, refused, refused), wire.CodeBadVersion, "error 0 ; error -103 ; error -103 ; ", false},
		{"failed, mixed content", multi(create, refused, below), wire.CodeBadVersion, "error 0 ; error -103 ; error -2 ; ", false},
		{"cut off", multi(create, below)[:60], wire.CodeMarshallingError, "", false},
	} {
		w := walkWriter()
		w.body = c.body
		w.apply(wire.OpMulti, 0)
		subs := ""
		for _, s := range w.r.Sub {
			subs += fmt.Sprintf("%v %d %s; ", s.Type, s.Err, s.Path)
		}
		if w.r.Err != c.code || subs != c.subs || (w.Lookup([]byte("/n/1")) != 0) != c.made {
			t.Errorf("%s: %v %q", c.name, w.r.Err, subs)
		}
		if c.made && (w.r.Sub[1].Stat.Czxid != w.zxid || w.r.Sub[0].Stat.NumChildren != 0) {
			t.Errorf("%s: %+v", c.name, w.r.Sub)
		}
		checkTree(t, w.Tree)
	}
}

func TestSetConfig(t *testing.T) {
	w := walkWriter()
	w.AddWatch(WatchData, []byte("/zookeeper/config"), 1)
	digest := w.Digest()
	w.SetConfig([]byte("version=100000000"), 0x100000000, 99, &w.r)
	r := w.Lookup([]byte("/zookeeper/config"))
	var s wire.Stat
	if w.Stat(r, &s); s.Version != -1 || s.Mzxid != 0x100000000 || s.Mtime != 99 || w.LastZxid() != 9 || w.Digest() != digest {
		t.Errorf("%+v", s)
	}
	if got := hitsText(w.r.Hits); got != "1:data:/zookeeper/config" {
		t.Errorf("hits %q", got)
	}
	// A snapshot of 3.4 has no such node.
	l := NewLoader(Options{Digest: true})
	if err := l.AddNode(nil, nil, -1, &wire.StatPersisted{}); err != nil {
		t.Fatal(err)
	}
	tr, err := l.Finish(1)
	if err != nil {
		t.Fatal(err)
	}
	tr.SetConfig([]byte("v"), 1, 2, &w.r)
	r = tr.Lookup([]byte("/zookeeper/config"))
	if r == 0 || string(tr.Data(r)) != "v" || !bytes.Equal(tr.ACL(r), readACL) {
		t.Error("the node is not made")
	}
	checkTree(t, tr)
}
