package tree

import (
	"fmt"
	"runtime"
	"testing"

	"zooid/internal/wire"
)

// budget is the heap that a znode with 100 bytes of data and a name of 10
// characters may cost, all in.
const budget = 215

// writer applies transactions made on the way, for tests.
type writer struct {
	*Tree
	zxid int64
	body []byte
	r    Result
}

func (w *writer) apply(typ wire.Opcode, session int64) {
	w.zxid++
	h := wire.TxnHeader{ClientID: session, Zxid: w.zxid, Time: 1700000000000 + w.zxid, Type: typ}
	w.Apply(&h, w.body, &w.r)
}

func (w *writer) create(path, data []byte) {
	x := wire.CreateTxn{Path: path, Data: data, ACL: wire.OpenACL, ParentCVersion: -1}
	w.body = x.Append(w.body[:0])
	w.apply(wire.OpCreate, 0)
}

func (w *writer) set(path, data []byte) {
	x := wire.SetDataTxn{Path: path, Data: data, Version: 1}
	w.body = x.Append(w.body[:0])
	w.apply(wire.OpSetData, 0)
}

func (w *writer) remove(path []byte) {
	x := wire.DeleteTxn{Path: path}
	w.body = x.Append(w.body[:0])
	w.apply(wire.OpDelete, 0)
}

// fill makes n nodes of 100 bytes below a hundred parents.
func fill(tb testing.TB, n int, opt Options) (*writer, [][]byte) {
	w := &writer{Tree: New(opt)}
	for i := range 100 {
		w.create(fmt.Appendf(nil, "/dir%02d", i), nil)
	}
	data := make([]byte, 100)
	paths := make([][]byte, n)
	for i := range paths {
		paths[i] = fmt.Appendf(nil, "/dir%02d/n%09d", i%100, i)
		w.create(paths[i], data)
		if w.r.Err != wire.CodeOK {
			tb.Fatal(w.r.Err)
		}
	}
	return w, paths
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory prints and bounds the heap per znode.
func TestMemory(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	before := heap()
	w, paths := fill(t, n, Options{Seed: 1})
	clear(paths)
	per := float64(heap()-before) / float64(n)
	t.Logf("%d znodes: %.1f bytes each", n, per)
	if per > budget {
		t.Errorf("%.1f bytes a znode, above the budget of %d", per, budget)
	}
	runtime.KeepAlive(w)
}

// TestMemoryComesBack deletes everything and finds the memory free again.
func TestMemoryComesBack(t *testing.T) {
	before := heap()
	w, paths := fill(t, 50_000, Options{Seed: 1})
	for _, p := range paths {
		w.remove(p)
	}
	left := heap() - before
	t.Logf("%d bytes left", left)
	if left > 1<<20 {
		t.Errorf("%d bytes are still held after all nodes are gone", left)
	}
	runtime.KeepAlive(w)
}
