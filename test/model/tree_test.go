package model

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"

	"pgregory.net/rapid"
)

// TestMain asks for more than rapid's hundred short runs, unless told otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	checks := "1000"
	if testing.Short() {
		checks = "60"
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.steps": "80"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// TestTree holds tree.Tree, with watches and walks, against the model.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		extended := rapid.Bool().Draw(t, "extended")
		k := &machine{
			tree: tree.New(tree.Options{Seed: rapid.Uint64().Draw(t, "seed"), Digest: true, ExtendedTypes: extended}),
			m:    newModel(extended),
		}
		t.Repeat(map[string]func(*rapid.T){
			"":           k.check,
			"txn":        k.txn,
			"txn again":  k.txn, // twice as often as the others
			"multi":      k.multi,
			"close":      k.closeSession,
			"add watch":  k.addWatch,
			"set watch":  k.setWatches,
			"un-watch":   k.removeWatches,
			"drop conn":  k.dropConn,
			"begin walk": k.beginWalk,
			"walk":       k.walk,
			"abort walk": k.abortWalk,
			"reload":     k.reload,
		})
		for len(k.walks) > 0 {
			k.walk(t)
		}
	})
}

// machine is the tree and the model of it.
type machine struct {
	tree  *tree.Tree
	m     *model
	r     tree.Result
	zxid  int64
	walks []*walking
}

// walking is a walk under way and what it should hand out.
type walking struct {
	w    *tree.Walk
	cut  *model
	acls []byte
	out  []byte
}

var (
	names    = []string{"a", "b", "ccc"}
	sessions = []int64{7, 8, 1 << 60}
	acls     = []string{openACL, readACL, string(wire.AppendACLs(nil, []wire.ACL{{Perms: 31, ID: wire.ID{Scheme: "digest", ID: "u:p"}}}))}
)

func drawPath(t *rapid.T) string {
	var b strings.Builder
	if rapid.IntRange(0, 7).Draw(t, "quota") == 0 {
		b.WriteString("/zookeeper/quota")
		for range rapid.IntRange(1, 2).Draw(t, "depth") {
			b.WriteString("/" + rapid.SampledFrom(names).Draw(t, "name"))
		}
		b.WriteString(rapid.SampledFrom([]string{"", "/zookeeper_limits", "/zookeeper_stats"}).Draw(t, "leaf"))
		return b.String()
	}
	for range rapid.IntRange(1, 4).Draw(t, "depth") {
		b.WriteString("/" + rapid.SampledFrom(names).Draw(t, "name"))
	}
	return b.String()
}

// drawPath returns, half of the time, the path of a node that is there.
func (k *machine) drawPath(t *rapid.T) string {
	if rapid.Bool().Draw(t, "there") {
		var there []string
		for p := range k.m.nodes {
			if strings.Count(p, "/") > 0 && p != "/zookeeper" && p != "/zookeeper/quota" && p != "/zookeeper/config" {
				there = append(there, p)
			}
		}
		if sort.Strings(there); len(there) > 0 {
			return rapid.SampledFrom(there).Draw(t, "node")
		}
	}
	return drawPath(t)
}

// drawData returns null, nothing, a little, or enough to leave the slabs.
func drawData(t *rapid.T) []byte {
	switch n := rapid.IntRange(-1, 9).Draw(t, "data"); n {
	case -1:
		return nil
	case 9:
		return bytes.Repeat([]byte{'x'}, rapid.IntRange(100, 10_000).Draw(t, "size"))
	default:
		return bytes.Repeat([]byte{'0' + byte(n)}, n*n)
	}
}

// drawOp returns an operation that prep could let through, or that replay
// could meet: no child below an ephemeral, no deletion of a parent.
func (k *machine) drawOp(t *rapid.T) op {
	o := op{path: k.drawPath(t)}
	o.typ = rapid.SampledFrom([]wire.Opcode{
		wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpCreate, wire.OpCreate2,
		wire.OpDelete, wire.OpDeleteContainer, wire.OpSetData, wire.OpSetACL, wire.OpCheck, wire.OpReconfig,
	}).Draw(t, "type")
	o.data, o.acl = drawData(t), rapid.SampledFrom(acls).Draw(t, "acl")
	o.number = rapid.Int32Range(-1, 5).Draw(t, "number")
	switch o.typ {
	case wire.OpCreate, wire.OpCreate2:
		o.ephemeral = rapid.Bool().Draw(t, "ephemeral")
		fallthrough
	case wire.OpCreateContainer, wire.OpCreateTTL:
		o.ttl = rapid.Int64Range(1, tree.MaxTTL).Draw(t, "ttl")
		if p := k.m.nodes[parentOf(o.path)]; p != nil && k.m.isSession(p.owner) {
			o.path = parentOf(o.path)
		}
		if rapid.IntRange(0, 3).Draw(t, "cversion") > 0 {
			o.number = -1
			if p := k.m.nodes[parentOf(o.path)]; p != nil {
				o.number = p.cversion + 1
			}
		}
	case wire.OpDelete, wire.OpDeleteContainer:
		for len(k.m.children(o.path)) > 0 {
			o.path += "/" + k.m.children(o.path)[0]
		}
	case wire.OpSetData:
		if rapid.IntRange(0, 9).Draw(t, "root") == 0 {
			o.path = "/"
		}
	}
	return o
}

func (o *op) body() []byte {
	path, acl := []byte(o.path), []byte(o.acl)
	switch o.typ {
	case wire.OpCreate, wire.OpCreate2:
		x := wire.CreateTxn{Path: path, Data: o.data, ACL: acl, Ephemeral: o.ephemeral, ParentCVersion: o.number}
		return x.Append(nil)
	case wire.OpCreateContainer:
		x := wire.CreateContainerTxn{Path: path, Data: o.data, ACL: acl, ParentCVersion: o.number}
		return x.Append(nil)
	case wire.OpCreateTTL:
		x := wire.CreateTTLTxn{Path: path, Data: o.data, ACL: acl, ParentCVersion: o.number, TTL: o.ttl}
		return x.Append(nil)
	case wire.OpDelete, wire.OpDeleteContainer:
		return (&wire.DeleteTxn{Path: path}).Append(nil)
	case wire.OpSetData, wire.OpReconfig:
		return (&wire.SetDataTxn{Path: path, Data: o.data, Version: o.number}).Append(nil)
	case wire.OpSetACL:
		return (&wire.SetACLTxn{Path: path, ACL: acl, Version: o.number}).Append(nil)
	case wire.OpCheck:
		return (&wire.CheckVersionTxn{Path: path, Version: o.number}).Append(nil)
	case wire.OpError:
		return (&wire.ErrorTxn{Err: wire.Code(o.number)}).Append(nil)
	case wire.OpCloseSession:
		var paths [][]byte
		for _, p := range o.paths {
			paths = append(paths, []byte(p))
		}
		return wire.AppendPaths(nil, paths)
	case wire.OpMulti:
		b := jute.AppendInt(nil, int32(len(o.ops)))
		for i := range o.ops {
			b = wire.AppendSubTxn(b, o.ops[i].typ, o.ops[i].body())
		}
		return b
	}
	panic(o.typ)
}

// apply applies one transaction to both and compares what it led to.
func (k *machine) apply(t *rapid.T, o *op) {
	k.zxid++
	session := rapid.SampledFrom(sessions).Draw(t, "session")
	h := wire.TxnHeader{ClientID: session, Zxid: k.zxid, Time: 1_700_000_000_000 + 10*k.zxid, Type: o.typ}
	k.tree.Apply(&h, o.body(), &k.r)
	want := k.m.apply(o, session, h.Zxid, h.Time)
	if k.r.Err != want.code || k.r.Stat != want.stat {
		t.Fatalf("%v of %s: %v %+v, want %v %+v", o.typ, o.path, k.r.Err, k.r.Stat, want.code, want.stat)
	}
	if len(k.r.Sub) != len(want.codes) {
		t.Fatalf("%d results, want %v", len(k.r.Sub), want.codes)
	}
	for i, code := range want.codes {
		if k.r.Sub[i].Err != code {
			t.Fatalf("operation %d: %v, want %v", i, k.r.Sub[i].Err, code)
		}
	}
	if k.tree.LastZxid() != k.zxid {
		t.Fatalf("last zxid %d, want %d", k.tree.LastZxid(), k.zxid)
	}
	// The paths that a session owns are deleted in an order of the tree's own.
	compareHits(t, k.r.Hits, want.events, o.typ == wire.OpCloseSession)
}

// compareHits compares hits with events, in order; sorted compares the sets.
func compareHits(t *rapid.T, hits []tree.Hit, want []event, sorted bool) {
	var got []event
	for i, h := range hits {
		if n := len(got) - 1; n >= 0 && i > 0 && got[n].typ == h.Event && got[n].path == string(h.Path) {
			got[n].conns = append(got[n].conns, h.Conn)
			continue
		}
		got = append(got, event{h.Event, string(h.Path), string(h.ACL), []uint32{h.Conn}})
	}
	for i := range got {
		slices.Sort(got[i].conns)
	}
	want = merge(want)
	if sorted {
		for _, l := range [][]event{got, want} {
			sort.SliceStable(l, func(i, j int) bool {
				return l[i].path < l[j].path || l[i].path == l[j].path && l[i].typ < l[j].typ
			})
		}
		got, want = merge(got), merge(want)
	}
	if !slices.EqualFunc(got, want, func(a, b event) bool {
		return a.typ == b.typ && a.path == b.path && a.acl == b.acl && slices.Equal(a.conns, b.conns)
	}) {
		t.Fatalf("events\n%v, want\n%v", got, want)
	}
}

// merge joins neighbours that tell the same: the order among connections is
// nobody's promise.
func merge(events []event) (out []event) {
	for _, e := range events {
		if n := len(out) - 1; n >= 0 && out[n].typ == e.typ && out[n].path == e.path {
			out[n].conns = slices.Sorted(slices.Values(append(slices.Clone(out[n].conns), e.conns...)))
			continue
		}
		out = append(out, e)
	}
	return out
}

func (k *machine) txn(t *rapid.T) {
	o := k.drawOp(t)
	k.apply(t, &o)
}

func (k *machine) multi(t *rapid.T) {
	o := op{typ: wire.OpMulti}
	fail := rapid.IntRange(-1, 3).Draw(t, "fail at")
	for i := range rapid.IntRange(0, 4).Draw(t, "operations") {
		switch {
		case fail >= 0 && i == fail:
			o.ops = append(o.ops, op{typ: wire.OpError, number: int32(wire.CodeBadVersion)})
		case fail >= 0 && i > fail && rapid.Bool().Draw(t, "error behind"):
			o.ops = append(o.ops, op{typ: wire.OpError, number: int32(wire.CodeRuntimeInconsistency)})
		default:
			x := k.drawOp(t)
			switch x.typ {
			case wire.OpSetACL, wire.OpReconfig: // not in a multi
				x.typ = wire.OpCheck
			case wire.OpDelete, wire.OpDeleteContainer:
				// An operation before may have given it a child.
				x.typ = wire.OpSetData
			}
			x.ephemeral = false // one behind may want to be its child
			o.ops = append(o.ops, x)
		}
	}
	k.apply(t, &o)
}

func (k *machine) closeSession(t *rapid.T) {
	o := op{typ: wire.OpCloseSession}
	for range rapid.IntRange(0, 3).Draw(t, "paths") {
		if p := k.drawPath(t); len(k.m.children(p)) == 0 {
			o.paths = append(o.paths, p)
		}
	}
	k.apply(t, &o)
}

func drawConn(t *rapid.T) uint32 { return rapid.Uint32Range(0, 5).Draw(t, "conn") }

func (k *machine) watchPath(t *rapid.T) string {
	if rapid.IntRange(0, 5).Draw(t, "root") == 0 {
		return "/"
	}
	return k.drawPath(t)
}

func (k *machine) addWatch(t *rapid.T) {
	path, conn := k.watchPath(t), drawConn(t)
	mode := rapid.SampledFrom([]tree.WatchMode{tree.WatchData, tree.WatchChild, tree.WatchPersistent, tree.WatchRecursive}).Draw(t, "mode")
	k.tree.AddWatch(mode, []byte(path), conn)
	switch mode {
	case tree.WatchData:
		k.m.addWatch(standard, 0, path, conn)
	case tree.WatchChild:
		k.m.addWatch(0, standard, path, conn)
	case tree.WatchPersistent:
		k.m.addWatch(persistentMode, persistentMode, path, conn)
	case tree.WatchRecursive:
		k.m.addWatch(recursive, 0, path, conn)
	}
}

func (k *machine) setWatches(t *rapid.T) {
	s := wire.SetWatches{RelativeZxid: rapid.Int64Range(0, k.zxid).Draw(t, "zxid")}
	for _, l := range []*[][]byte{&s.Data, &s.Exist, &s.Child, &s.Persistent, &s.PersistentRecursive} {
		for range rapid.IntRange(0, 2).Draw(t, "paths") {
			*l = append(*l, []byte(k.watchPath(t)))
		}
	}
	conn := drawConn(t)
	compareHits(t, k.tree.SetWatches(&s, conn, nil), k.m.setWatches(&s, conn), false)
}

func (k *machine) removeWatches(t *rapid.T) {
	path, conn, typ := k.watchPath(t), drawConn(t), rapid.Int32Range(1, 5).Draw(t, "watcher type")
	if got, want := k.tree.RemoveWatches(typ, []byte(path), conn), k.m.removeWatches(typ, path, conn); got != want {
		t.Fatalf("remove watches: %v, want %v", got, want)
	}
}

func (k *machine) dropConn(t *rapid.T) {
	conn := drawConn(t)
	k.tree.DropConn(conn)
	k.m.dropConn(conn)
}

func (k *machine) beginWalk(t *rapid.T) {
	if len(k.walks) < 2 {
		w := k.tree.BeginWalk()
		k.walks = append(k.walks, &walking{w: w, cut: k.m.clone(), acls: w.AppendACLs(nil)})
		if w.Zxid() != k.zxid || w.Digest() != k.m.digest() || w.Nodes() != len(k.m.nodes) {
			t.Fatalf("walk at %d %x %d", w.Zxid(), w.Digest(), w.Nodes())
		}
	}
}

func (k *machine) walk(t *rapid.T) {
	if len(k.walks) == 0 {
		k.beginWalk(t)
	}
	at := rapid.IntRange(0, len(k.walks)-1).Draw(t, "walk")
	w := k.walks[at]
	done := false
	if w.out, done = w.w.Next(w.out, rapid.IntRange(1, 400).Draw(t, "bytes")); done {
		k.walks = slices.Delete(k.walks, at, at+1)
		w.check(t)
	}
}

func (k *machine) abortWalk(t *rapid.T) {
	if len(k.walks) == 0 {
		k.beginWalk(t)
	}
	at := rapid.IntRange(0, len(k.walks)-1).Draw(t, "walk")
	k.walks[at].w.Abort()
	k.walks = slices.Delete(k.walks, at, at+1)
}

// check reads what a walk handed out: it has to be the tree at the cut.
func (w *walking) check(t *rapid.T) {
	loaded, seen := load(t, w.acls, w.out, tree.Options{Digest: true, ExtendedTypes: w.cut.extended}, w.w.Zxid())
	if len(seen) != len(w.cut.nodes) {
		t.Fatalf("%d nodes handed out, want %d", len(seen), len(w.cut.nodes))
	}
	for path, n := range w.cut.nodes {
		if s := seen[path]; s == nil || !sameData(s.data, n.data) || s.acl != n.acl || s.persisted() != n.persisted() {
			t.Fatalf("%q handed out as %+v, was %+v", path, s, n)
		}
	}
	if loaded.Digest() != w.w.Digest() {
		t.Fatalf("loaded with digest %x, want %x", loaded.Digest(), w.w.Digest())
	}
}

func sameData(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// load reads the parts of a snapshot, into a tree and as they stand.
func load(t *rapid.T, cache, nodes []byte, opt tree.Options, zxid int64) (*tree.Tree, map[string]*znode) {
	l, acls := tree.NewLoader(opt), map[int64]string{-1: openACL}
	d := jute.NewDecoder(cache)
	for n := d.Int(); n > 0; n-- {
		id := d.Long()
		raw := wire.RawACLs(&d)
		acls[id] = string(raw)
		l.AddACL(id, raw)
	}
	if d.Err() != nil || d.Len() != 0 {
		t.Fatalf("ACL cache: %v, %d bytes left", d.Err(), d.Len())
	}
	seen := make(map[string]*znode)
	d = jute.NewDecoder(nodes)
	for d.Len() > 0 {
		path, data, id := d.Text(), d.Buffer(), d.Long()
		var s wire.StatPersisted
		if s.Decode(&d); d.Err() != nil {
			t.Fatalf("node %q: %v", path, d.Err())
		}
		if seen[string(path)] != nil {
			t.Fatalf("node %q comes twice", path)
		}
		seen[string(path)] = &znode{
			data: data, acl: acls[id], owner: s.EphemeralOwner, czxid: s.Czxid, mzxid: s.Mzxid, pzxid: s.Pzxid,
			ctime: s.Ctime, mtime: s.Mtime, version: s.Version, cversion: s.Cversion, aversion: s.Aversion,
		}
		if err := l.AddNode(path, data, id, &s); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := l.Finish(zxid)
	if err != nil {
		t.Fatal(err)
	}
	return loaded, seen
}

// reload goes on with a tree made of the snapshot of this one. The watches are
// lost, as they are when a server starts.
func (k *machine) reload(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
		k.txn(t)
		return
	}
	for _, w := range k.walks {
		w.w.Abort()
	}
	k.walks = nil
	w := k.tree.BeginWalk()
	cache := w.AppendACLs(nil)
	nodes, done := w.Next(nil, 1<<30)
	if !done {
		t.Fatal("one turn is not enough")
	}
	k.tree, _ = load(t, cache, nodes, tree.Options{Seed: uint64(k.zxid), Digest: true, ExtendedTypes: k.m.extended}, k.zxid)
	k.m.data, k.m.child = make(table), make(table)
	for prefix := range k.m.quotas {
		if k.m.nodes["/zookeeper/quota"+prefix+"/zookeeper_stats"] != nil {
			k.m.recount(prefix)
		}
	}
}

// check compares all that can be read.
func (k *machine) check(t *rapid.T) {
	tr, m := k.tree, k.m
	if tr.NodeCount() != len(m.nodes)+1 || tr.Digest() != m.digest() || tr.DataSize() != m.dataSize() {
		t.Fatalf("%d nodes, digest %x, size %d, want %d %x %d",
			tr.NodeCount(), tr.Digest(), tr.DataSize(), len(m.nodes)+1, m.digest(), m.dataSize())
	}
	var s wire.Stat
	for path, n := range m.nodes {
		r := tr.Lookup([]byte(path))
		if r == 0 {
			t.Fatalf("%q is missing", path)
		}
		if tr.Stat(r, &s); s != m.stat(path) {
			t.Fatalf("%q: %+v, want %+v", path, s, m.stat(path))
		}
		if !sameData(tr.Data(r), n.data) || string(tr.ACL(r)) != n.acl || string(tr.Path(nil, r)) != shown(path) {
			t.Fatalf("%q: data %q, ACL %x, path %q", path, tr.Data(r), tr.ACL(r), tr.Path(nil, r))
		}
		if got := childNames(t, tr, r); !slices.Equal(got, m.children(path)) {
			t.Fatalf("%q: children %q, want %q", path, got, m.children(path))
		}
		if got := tr.Descendants(r); int(got) != m.below(path) {
			t.Fatalf("%q: %d descendants, want %d", path, got, m.below(path))
		}
	}
	for _, id := range sessions {
		var got []string
		tr.EphemeralPaths(id, func(p []byte) bool { got = append(got, string(p)); return true })
		if sort.Strings(got); !slices.Equal(got, m.ephemerals(id)) {
			t.Fatalf("session %x: %q, want %q", id, got, m.ephemerals(id))
		}
	}
	k.checkWatches(t)
}

func childNames(t *rapid.T, tr *tree.Tree, r tree.Ref) (got []string) {
	d := jute.NewDecoder(tr.AppendChildren(nil, r))
	for n := d.Count(4); n > 0; n-- {
		got = append(got, d.String())
	}
	if d.Err() != nil || d.Len() != 0 {
		t.Fatalf("children: %v, %d bytes left", d.Err(), d.Len())
	}
	sort.Strings(got)
	return got
}

func (k *machine) checkWatches(t *rapid.T) {
	tr, m := k.tree, k.m
	if got, want := tr.WatchCount(), m.data.size()+m.child.size(); got != want {
		t.Fatalf("%d watches, want %d", got, want)
	}
	conns := make(map[uint32]bool)
	for path, l := range m.data {
		for conn := range l {
			conns[conn] = true
			for typ := range int32(5) {
				if got := tr.HasWatch(typ+1, []byte(path), conn); got != m.hasWatch(typ+1, path, conn) {
					t.Fatalf("%q, connection %d, type %d: %v", path, conn, typ+1, got)
				}
			}
		}
	}
	if c, p, n := tr.WatchSummary(); c != len(conns) || p != len(m.data) || n != m.data.size() {
		t.Fatalf("summary %d %d %d, want %d %d %d", c, p, n, len(conns), len(m.data), m.data.size())
	}
}
