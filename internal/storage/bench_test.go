package storage

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// discard is a file system whose files swallow what is written to them.
type discard struct{ vfs.FS }

type discardFile struct{ vfs.File }

func (d discard) Create(name string) (vfs.File, error) { return discardFile{}, nil }
func (d discard) SyncDir(string) error                 { return nil }
func (d discard) Rename(string, string) error          { return nil }

func (discardFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discardFile) Sync() error                            { return nil }
func (discardFile) StartSync(int64, int64) error           { return nil }
func (discardFile) Preallocate(int64) error                { return nil }
func (discardFile) Truncate(int64) error                   { return nil }
func (discardFile) Close() error                           { return nil }
func (discardFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }

func TestAppendAllocates(t *testing.T) {
	l := OpenLog(discard{vfs.NewMem()}, "/", LogOptions{PreAlloc: 64 << 20})
	entry := txn(1, 100)
	zxid := int64(0)
	allocs := testing.AllocsPerRun(1000, func() {
		for range 20 {
			zxid++
			if err := l.Append(zxid, entry); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Commit(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("20 appends and a commit allocate %v times", allocs)
	}
}

func TestReadAllocates(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{})
	appendTxns(t, l, 1, 2000, 100)
	r, err := OpenLogReader(mem, "/log/version-2/log.1", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("reading a transaction allocates %v times", allocs)
	}
}

func TestReadSnapshotAllocates(t *testing.T) {
	var few, many int
	for _, c := range []struct {
		nodes  int
		allocs *int
	}{{100, &few}, {5000, &many}} {
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		w, err := NewSnapshotWriter(mem, d.Snap, 7, SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(bigBody(c.nodes))
		info, err := w.Finish(SnapshotTail{})
		if err != nil {
			t.Fatal(err)
		}
		*c.allocs = int(testing.AllocsPerRun(10, func() {
			if _, err := ReadSnapshot(mem, info.Path, Limits{}, &count{}); err != nil {
				t.Fatal(err)
			}
		}))
	}
	if many > few+10 {
		t.Errorf("%d allocations for 100 nodes, %d for 5000", few, many)
	}
}

// BenchmarkAppend is the cost of a transaction without the disk.
func BenchmarkAppend(b *testing.B) {
	l := OpenLog(discard{vfs.NewMem()}, "/", LogOptions{PreAlloc: 64 << 20})
	entry := txn(1, 100)
	b.SetBytes(int64(len(entry)))
	b.ReportAllocs()
	for zxid := int64(1); b.Loop(); zxid++ {
		if err := l.Append(zxid, entry); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit is a batch of transactions with its sync on a real disk.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			dir := b.TempDir()
			l := OpenLog(vfs.OS, dir, LogOptions{PreAlloc: 64 << 20})
			entry := txn(1, 100)
			b.SetBytes(int64(batch * len(entry)))
			zxid := int64(0)
			for b.Loop() {
				for range batch {
					zxid++
					if err := l.Append(zxid, entry); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := l.Commit(); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkReadLog(b *testing.B) {
	mem := vfs.NewMem()
	d := memDirs(b, mem)
	l := OpenLog(mem, d.Log, LogOptions{})
	const count = 20_000
	appendTxns(b, l, 1, count, 100)
	b.SetBytes(l.Size())
	for b.Loop() {
		if got, _, err := zxids(b, mem, d.Log, 1); err != nil || len(got) != count {
			b.Fatal(err)
		}
	}
}

// bigBody is parts 2 to 4 of a snapshot with so many nodes of 100 bytes.
func bigBody(nodes int) []byte {
	b := jute.AppendInt(nil, 0)
	b = append(jute.AppendLong(jute.AppendInt(b, 1), 1), wire.OpenACL...)
	data := make([]byte, 100)
	for i := range data {
		data[i] = byte(i * 37)
	}
	b = appendNode(b, "", nil, -1)
	for i := range nodes {
		b = appendNode(b, fmt.Sprintf("/bench-%d", i), data, 1)
	}
	return b
}

type count struct{ nodes int }

func (c *count) Session(int64, int32) {}
func (c *count) ACL(int64, []byte)    {}
func (c *count) Node([]byte, []byte, int64, *wire.StatPersisted) error {
	c.nodes++
	return nil
}

func BenchmarkSnapshot(b *testing.B) {
	const nodes = 200_000
	body := bigBody(nodes)
	for _, method := range []Compression{NoCompression, Gzip, Snappy} {
		name := "plain" + method.suffix()
		dir := b.TempDir()
		b.Run("write/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				writeBig(b, dir, body, method)
			}
		})
		b.Run("read/"+name, func(b *testing.B) {
			info := writeBig(b, dir, body, method)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var c count
				if _, err := ReadSnapshot(vfs.OS, info.Path, Limits{}, &c); err != nil || c.nodes != nodes+1 {
					b.Fatal(err, c.nodes)
				}
			}
		})
	}
}

func writeBig(b *testing.B, dir string, body []byte, method Compression) *SnapshotInfo {
	b.Helper()
	w, err := NewSnapshotWriter(vfs.OS, dir, 7, SnapshotOptions{Compression: method})
	if err != nil {
		b.Fatal(err)
	}
	for len(body) > 0 {
		n := min(len(body), 64<<10)
		if _, err := w.Write(body[:n]); err != nil {
			b.Fatal(err)
		}
		body = body[n:]
	}
	info, err := w.Finish(SnapshotTail{HasDigest: true})
	if err != nil {
		b.Fatal(err)
	}
	return info
}

// BenchmarkCommitBesideSnapshot is how long commits of 10 KB take while a
// snapshot is written to the same disk: the 50th and 99th of 100, in us.
func BenchmarkCommitBesideSnapshot(b *testing.B) {
	body := bigBody(1_000_000)
	for _, c := range []struct {
		name     string
		syncEach int64
	}{{"alone", 0}, {"paced=2M", 2 << 20}, {"paced=8M", 8 << 20}, {"paced=32M", 32 << 20}, {"at the end", 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			stop, done := make(chan struct{}), make(chan int)
			go func() {
				snapshots := 0
				for {
					select {
					case <-stop:
						done <- snapshots
						return
					default:
					}
					if c.syncEach > 0 {
						writeSlowly(b, dir, body, c.syncEach, stop)
						snapshots++
					}
				}
			}()
			l := OpenLog(vfs.OS, dir, LogOptions{PreAlloc: 64 << 20})
			entry := txn(1, 10_000)
			var times []time.Duration
			for zxid := int64(1); b.Loop(); zxid++ {
				begin := time.Now()
				if err := l.Append(zxid, entry); err != nil {
					b.Fatal(err)
				}
				if _, err := l.Commit(); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(begin))
			}
			close(stop)
			b.ReportMetric(float64(<-done), "snapshots")
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
		})
	}
}

func writeSlowly(b *testing.B, dir string, body []byte, syncEach int64, stop chan struct{}) {
	w, err := NewSnapshotWriter(vfs.OS, dir, 7, SnapshotOptions{SyncEach: syncEach})
	if err != nil {
		b.Error(err)
		return
	}
	for len(body) > 0 {
		n := min(len(body), 64<<10)
		if _, err := w.Write(body[:n]); err != nil {
			b.Error(err)
		}
		body = body[n:]
		select {
		case <-stop:
			w.Abort()
			return
		default:
		}
	}
	if _, err := w.Finish(SnapshotTail{HasDigest: true}); err != nil {
		b.Error(err)
	}
}
