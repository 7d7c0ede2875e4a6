package tree

import (
	"testing"

	"zooid/internal/wire"
)

// FuzzApply cuts any bytes into transactions: no panic, the books stay right,
// and what a walk hands out then loads into a tree with the same digest.
func FuzzApply(f *testing.F) {
	create := (&wire.CreateTxn{Path: []byte("/a"), ACL: wire.OpenACL, Ephemeral: true, ParentCVersion: -1}).Append(nil)
	set := (&wire.SetDataTxn{Path: []byte("/zookeeper/quota"), Data: []byte("count=1")}).Append(nil)
	var seed []byte
	for _, x := range []struct {
		typ  wire.Opcode
		body []byte
	}{{wire.OpCreate, create}, {wire.OpSetData, set}, {wire.OpDelete, (&wire.DeleteTxn{Path: []byte("/a")}).Append(nil)}} {
		seed = append(seed, byte(x.typ), byte(len(x.body)))
		seed = append(seed, x.body...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, in []byte) {
		tr := New(Options{Digest: true, ExtendedTypes: true})
		tr.AddWatch(WatchRecursive, []byte("/"), 1)
		walk := tr.BeginWalk()
		var r Result
		h := wire.TxnHeader{ClientID: 7}
		for len(in) >= 2 {
			n := min(int(in[1]), len(in)-2)
			h.Zxid++
			h.Type = wire.Opcode(int8(in[0]))
			tr.Apply(&h, in[2:2+n], &r)
			in = in[2+n:]
		}
		checkTree(t, tr)
		cut, _ := walk.Next(nil, 1<<30)
		if len(handed(t, cut)) != 4 {
			t.Fatal("the cut is not the fresh tree")
		}
		b, _ := tr.BeginWalk().Next(nil, 1<<30)
		l := NewLoader(Options{Digest: true, ExtendedTypes: true})
		loadNodes(t, l, b)
		loaded, err := l.Finish(h.Zxid)
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, loaded)
		if loaded.Digest() != tr.Digest() {
			t.Fatalf("digest %x, loaded %x", tr.Digest(), loaded.Digest())
		}
	})
}
