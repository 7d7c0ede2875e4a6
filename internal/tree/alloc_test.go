package tree

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// The way of a request makes no garbage.
func TestNoAllocations(t *testing.T) {
	w := quotaWriter("count=5,bytes=5=;countHardLimit=100")
	for i := range 3000 {
		w.create(fmt.Appendf(nil, "/c/%d", i), make([]byte, 100))
	}
	var s wire.Stat
	var p wire.StatPersisted
	var out []byte
	var g Digester
	short, long := make([]byte, 60), make([]byte, 100)
	path, quota, child := []byte("/c/77"), []byte("/a/1"), []byte("/c/new")
	w.AddWatch(WatchPersistent, []byte("/b"), 3)
	for c := range uint32(100) {
		w.AddWatch(WatchPersistent, []byte("/b/1"), c)
	}
	watched := []byte("/b/1")
	multi := jute.AppendInt(nil, 2)
	multi = wire.AppendSubTxn(multi, wire.OpSetData, (&wire.SetDataTxn{Path: path, Data: short}).Append(nil))
	multi = wire.AppendSubTxn(multi, wire.OpCheck, (&wire.CheckVersionTxn{Path: path}).Append(nil))
	closing := wire.AppendPaths(nil, nil)
	for name, f := range map[string]func(){
		"read": func() {
			r := w.Lookup(path)
			w.Stat(r, &s)
			w.Persisted(r, &p)
			out = wire.AppendGetDataResponse(out[:0], w.Data(r), &s)
			out = w.AppendChildren(out, w.Lookup(watched[:2]))
			out = append(w.Path(out, r), w.ACL(r)...)
		},
		"set, one size":      func() { w.set(path, long) },
		"set, two sizes":     func() { w.set(path, long); w.set(path, short) },
		"create and delete":  func() { w.create(child, long); w.remove(child) },
		"refused":            func() { w.create(path, long); w.remove([]byte("/none/none")) },
		"set under a quota":  func() { w.set(quota, long); w.set(quota, short) },
		"quota check":        func() { w.QuotaCheck(quota, 1, 1) },
		"a hundred watchers": func() { w.set(watched, short) },
		"a one-shot watch":   func() { w.AddWatch(WatchData, path, 5); w.set(path, short) },
		"drop a connection":  func() { w.AddWatch(WatchChild, path, 5); w.DropConn(5) },
		"multi":              func() { w.body = append(w.body[:0], multi...); w.apply(wire.OpMulti, 1) },
		"ephemeral and close": func() {
			x := wire.CreateTxn{Path: child, ACL: wire.OpenACL, Ephemeral: true, ParentCVersion: -1}
			w.body = x.Append(w.body[:0])
			w.apply(wire.OpCreate2, 9)
			w.body = append(w.body[:0], closing...)
			w.apply(wire.OpCloseSession, 9)
		},
		"digest": func() {
			g.Node(path, long, &p)
		},
	} {
		f()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The digest is the CRC-32 of path, data and stat, at every length and whether
// the data is copied or not.
func TestDigester(t *testing.T) {
	var g Digester
	s := wire.StatPersisted{Czxid: 1, Mzxid: 2, Ctime: 3, Mtime: 4, Version: 5, Cversion: 6, Aversion: 7, EphemeralOwner: -8, Pzxid: 9}
	data := make([]byte, 1100)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for _, path := range []string{"", "/", "/a", "/some/longer/path", "/zookeeper", "/zookeeper/x"} {
		for n := 0; n < len(data); n += 1 + n/50 {
			var stat [digestStat]byte
			putStat(stat[:], &s)
			want := crc32.ChecksumIEEE(slices.Concat([]byte(strings.TrimSuffix(path, "/")), data[:n], stat[:]))
			if path == "/zookeeper/x" {
				want = 0
			}
			if got := g.Node([]byte(path), data[:n], &s); got != want {
				t.Fatalf("%q with %d bytes: %x, want %x", path, n, got, want)
			}
		}
	}
}
