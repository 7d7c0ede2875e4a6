package tree

import (
	"syscall"
	"testing"

	"zooid/internal/wire"
)

const benchNodes = 1_000_000

// scatter visits indexes in an order that no cache foresees.
func scatter(i int) int { return int(uint64(i) * 0x9e3779b97f4a7c15 >> 20 % benchNodes) }

var benchTree = func() func(b *testing.B) (*writer, [][]byte) {
	var w *writer
	var paths [][]byte
	return func(b *testing.B) (*writer, [][]byte) {
		if w == nil {
			w, paths = fill(b, benchNodes, Options{Seed: 1})
		}
		b.ReportAllocs()
		start := cpuTime()
		b.Cleanup(func() { b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op") })
		b.ResetTimer()
		return w, paths
	}
}()

// cpuTime is what the process has used: on a busy machine it says more than
// the clock does.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkLookup(b *testing.B) {
	w, paths := benchTree(b)
	for i := range b.N {
		if w.Lookup(paths[scatter(i)]) == 0 {
			b.Fatal("missing")
		}
	}
}

func BenchmarkLookupOne(b *testing.B) {
	w, paths := benchTree(b)
	for range b.N {
		if w.Lookup(paths[7]) == 0 {
			b.Fatal("missing")
		}
	}
}

func BenchmarkRead(b *testing.B) {
	w, paths := benchTree(b)
	var s wire.Stat
	var out []byte
	for i := range b.N {
		n := w.Lookup(paths[scatter(i)])
		w.Stat(n, &s)
		out = wire.AppendGetDataResponse(out[:0], w.Data(n), &s)
	}
}

func BenchmarkSet(b *testing.B) {
	w, paths := benchTree(b)
	data := make([]byte, 100)
	for i := range b.N {
		w.set(paths[scatter(i)], data)
	}
}

func BenchmarkSetOne(b *testing.B) {
	w, paths := benchTree(b)
	data := make([]byte, 100)
	for range b.N {
		w.set(paths[7], data)
	}
}

func BenchmarkSetDigest(b *testing.B) {
	w, paths := benchTree(b)
	w.opt.Digest = true
	defer func() { w.opt.Digest = false }()
	data := make([]byte, 100)
	for i := range b.N {
		w.set(paths[scatter(i)], data)
	}
}

func BenchmarkCreateDelete(b *testing.B) {
	w, _ := benchTree(b)
	path, data := []byte("/dir55/0000000001"), make([]byte, 100)
	for range b.N {
		w.create(path, data)
		w.remove(path)
	}
}

func BenchmarkCreateDeleteDigest(b *testing.B) {
	w, _ := benchTree(b)
	w.opt.Digest = true
	defer func() { w.opt.Digest = false }()
	path, data := []byte("/dir55/0000000001"), make([]byte, 100)
	for range b.N {
		w.create(path, data)
		w.remove(path)
	}
}

func BenchmarkChildren(b *testing.B) {
	w, _ := benchTree(b)
	n := w.Lookup([]byte("/dir07"))
	var out []byte
	for range b.N {
		out = w.AppendChildren(out[:0], n)
	}
}

func BenchmarkDigester(b *testing.B) {
	var s wire.StatPersisted
	path, data := []byte("/dir55/0000000001"), make([]byte, 100)
	b.ReportAllocs()
	var g Digester
	for range b.N {
		g.Node(path, data, &s)
	}
}
