package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zooid/internal/vfs"
)

// path of a history: the snapshot that Recover took and what it replayed.
type way struct {
	heard
	base int64
}

func (w *way) Loaded(s *SnapshotInfo) error {
	w.base = s.Zxid
	return nil
}

// recovered starts a server on a disk.
func recovered(fsys vfs.FS) (w way, last int64, err error) {
	report, err := Recover(FindDirs(fsys, "/data", "/log"), RecoverOptions{}, &w)
	prev := w.base
	for _, zxid := range w.zxids {
		if err == nil && !follows(prev, zxid) {
			err = fmt.Errorf("0x%x was applied to 0x%x", zxid, prev)
		}
		prev = zxid
	}
	return w, report.LastZxid, err
}

// layout is a disk: files of logs and snapshots in the order of their making.
type layout struct {
	logs  [][]int64
	snaps []int64
}

func (l layout) disk(t testing.TB) (*vfs.Mem, *Dirs) {
	t.Helper()
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	for _, zxids := range l.logs {
		logFile(t, mem, d, zxids...)
	}
	for _, zxid := range l.snaps {
		if err := writeSnapshot(mem, d, zxid); err != nil {
			t.Fatal(err)
		}
	}
	return mem, d
}

var (
	// plain is a server that was always there.
	plain = layout{[][]int64{span(4, 1, 9), span(4, 10, 14), append(span(4, 15, 16), span(5, 1, 3)...), span(5, 4, 8)},
		[]int64{0, z(4, 9), z(4, 14), z(5, 3), z(5, 6)}}
	// gapped got a snapshot of 4.30 from a leader when it was at 4.12.
	gapped = layout{[][]int64{span(4, 1, 9), span(4, 10, 12), span(4, 31, 34), span(4, 35, 40)},
		[]int64{z(4, 9), z(4, 30), z(4, 34)}}
	// crossed got one of the beginning of epoch 6.
	crossed = layout{[][]int64{span(4, 1, 9), span(6, 1, 4)}, []int64{z(4, 5), z(6, 0)}}
	// bare got one and nothing since.
	bare = layout{nil, []int64{z(4, 30)}}
)

func TestTakeBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		layout layout
		zxid   int64
		base   int64
		want   string
	}{
		{"nothing to do", plain, z(5, 8), z(5, 6), ""},
		{"end of a log", plain, z(5, 7), z(5, 6), ""},
		{"at a snapshot", plain, z(5, 6), z(5, 6), ""},
		{"before a snapshot", plain, z(5, 5), z(5, 3), ""},
		{"at the end of a log", plain, z(5, 3), z(5, 3), ""},
		{"begin of an epoch", plain, z(5, 1), z(4, 14), ""},
		{"end of an epoch", plain, z(4, 16), z(4, 14), ""},
		{"the very first", plain, z(4, 1), 0, ""},
		{"nothing is left", plain, 0, 0, ""},
		{"between epochs", plain, z(4, 17), 0, "snapshot.40000000e: the logs do not hold all from 0x40000000e to 0x400000011: 0x500000001 stands behind 0x400000010"},
		{"later than all", plain, z(5, 9), 0, "they end with 0x500000008"},
		{"behind a leader's snapshot", gapped, z(4, 36), z(4, 34), ""},
		{"behind it by one", gapped, z(4, 31), z(4, 30), ""},
		{"at it", gapped, z(4, 30), z(4, 30), ""},
		{"in what it skipped", gapped, z(4, 20), 0, "snapshot.400000009: the logs do not hold all from 0x400000009 to 0x400000014: 0x40000001f in /log/version-2/log.40000001f stands behind 0x40000000c"},
		{"before what it skipped", gapped, z(4, 12), z(4, 9), ""},
		{"without a snapshot", gapped, z(4, 8), 0, "there is no whole snapshot before it; move version-2 away"},
		{"behind an epoch's begin", crossed, z(6, 1), z(6, 0), ""},
		{"an epoch's begin", crossed, z(6, 0), z(6, 0), ""},
		{"before it", crossed, z(4, 9), z(4, 5), ""},
		{"before it, unknown", crossed, z(4, 10), 0, "0x600000001 stands behind 0x400000009"},
		{"no log", bare, z(4, 30), z(4, 30), ""},
		{"no log, behind", bare, z(4, 31), 0, "snapshot.40000001e: the logs do not hold all from 0x40000001e to 0x40000001f: there are none"},
		{"no log, before", bare, z(4, 29), 0, "there is no whole snapshot before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem, d := c.layout.disk(t)
			_, before, err := recovered(mem.CrashClone(0))
			if err != nil {
				t.Fatal(err)
			}
			report, err := TakeBack(d, c.zxid, Limits{})
			w, last, rerr := recovered(mem.CrashClone(1))
			if rerr != nil {
				t.Fatal(rerr)
			}
			if c.want != "" {
				var impossible *TakeBackError
				if !errors.As(err, &impossible) || !strings.Contains(err.Error(), c.want) || last != before {
					t.Fatalf("at 0x%x, was 0x%x: %v", last, before, err)
				}
				return
			}
			if err != nil || last != c.zxid || w.base != c.base {
				t.Fatalf("at 0x%x from 0x%x: %+v, %v", last, w.base, report, err)
			}
			if again, err := TakeBack(d, c.zxid, Limits{}); err != nil || len(again.Logs)+len(again.Snapshots) > 0 || again.Cut != "" {
				t.Fatalf("again: %+v, %v", again, err)
			}
			goesOn(t, mem, c.zxid)
		})
	}
}

// goesOn checks that a server can log the next transaction in this epoch, or
// the first of another, without a restart, and has it after one.
func goesOn(t *testing.T, mem *vfs.Mem, zxid int64) {
	t.Helper()
	for _, next := range []int64{zxid + 1, z(epochOf(zxid)+3, 1)} {
		for seed := range uint64(4) {
			disk := mem.CrashClone(seed)
			d := FindDirs(disk, "/data", "/log")
			l := OpenLog(disk, d.Log, LogOptions{PreAlloc: 16 << 10})
			appendTxns(t, l, next, next, 3000)
			if _, last, err := recovered(disk.CrashClone(seed)); err != nil || last != next {
				t.Fatalf("0x%x behind 0x%x: at 0x%x, %v", next, zxid, last, err)
			}
		}
	}
}

// A snapshot that is not whole is no way back, and no reason to stay behind
// it either.
func TestTakeBackDamagedSnapshot(t *testing.T) {
	for _, c := range []struct {
		damaged int64
		zxid    int64
		base    int64
		want    string
	}{
		{z(5, 3), z(5, 5), z(4, 14), ""},
		{z(5, 3), z(5, 2), z(4, 14), ""},
		{z(5, 6), z(5, 5), z(5, 3), ""},
		{z(4, 14), z(4, 14), z(4, 9), ""},
	} {
		mem, d := plain.disk(t)
		name := path.Join(d.Snap, SnapshotName(c.damaged, NoCompression))
		b := fileBytes(t, mem, name)
		b[40] ^= 1
		writeFile(t, mem, name, b)
		if _, err := TakeBack(d, c.zxid, Limits{}); err != nil {
			t.Fatal(err)
		}
		if w, last, err := recovered(mem); err != nil || last != c.zxid || w.base != c.base {
			t.Errorf("damaged 0x%x: 0x%x is at 0x%x from 0x%x, %v", c.damaged, c.zxid, last, w.base, err)
		}
	}
	mem, d := gapped.disk(t)
	name := path.Join(d.Snap, SnapshotName(z(4, 30), NoCompression))
	b := fileBytes(t, mem, name)
	b[40] ^= 1
	writeFile(t, mem, name, b)
	_, err := TakeBack(d, z(4, 32), Limits{})
	var impossible *TakeBackError
	if !errors.As(err, &impossible) || !strings.Contains(err.Error(), "the newest snapshot before it is snapshot.400000009: the logs do not hold all") {
		t.Fatal(err)
	}
	if _, last, err := recovered(mem); err != nil || last != z(4, 40) {
		t.Fatal(last, err)
	}
	// What cannot be read just now is no reason to look further.
	off := vfs.NewFaulty(mem, vfs.OnName(snapshotPrefix, vfs.FailNth(vfs.OpRead, 0, syscall.EIO)))
	if _, err := TakeBack(FindDirs(off, d.Data, d.DataLog), z(4, 32), Limits{}); !errors.Is(err, syscall.EIO) || errors.As(err, &impossible) {
		t.Fatal(err)
	}
}

// The power fails at every step: what is there is a beginning of the history
// that reaches zxid at least, and the second try does the rest.
func TestTakeBackCrashes(t *testing.T) {
	for _, c := range []struct {
		name   string
		layout layout
		zxids  []int64
	}{
		{"plain", plain, []int64{z(5, 7), z(5, 5), z(5, 1), z(4, 12), z(4, 2), 0}},
		{"gapped", gapped, []int64{z(4, 36), z(4, 32), z(4, 30), z(4, 11)}},
		{"crossed", crossed, []int64{z(6, 2), z(6, 0), z(4, 7)}},
		{"bare", bare, []int64{z(4, 30)}},
	} {
		for _, zxid := range c.zxids {
			for at, done := 0, false; !done; at++ {
				mem, d := c.layout.disk(t)
				_, before, err := recovered(mem)
				if err != nil {
					t.Fatal(err)
				}
				off := vfs.NewFaulty(mem, vfs.FailFrom(at, errPower))
				_, err = TakeBack(FindDirs(off, d.Data, d.DataLog), zxid, Limits{})
				if done = err == nil; !done && !errors.Is(err, errPower) {
					t.Fatal(err)
				}
				for seed := range uint64(5) {
					disk := mem.CrashClone(seed)
					what := fmt.Sprintf("%s to 0x%x, %d operations, crash %d", c.name, zxid, at, seed)
					_, last, err := recovered(disk)
					if err != nil || last < zxid || last > before || done && last != zxid {
						t.Fatalf("%s: at 0x%x, %v", what, last, err)
					}
					if _, err := TakeBack(FindDirs(disk, d.Data, d.DataLog), zxid, Limits{}); err != nil {
						t.Fatalf("%s: again: %v", what, err)
					}
					if _, last, err := recovered(disk); err != nil || last != zxid {
						t.Fatalf("%s: again: at 0x%x, %v", what, last, err)
					}
				}
			}
		}
	}
}

// Servers at random: TakeBack does what can be done, and else nothing.
func TestTakeBackModel(t *testing.T) {
	var done, refused int
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 2))
		l, truth, have := randomLayout(rng)
		for _, zxid := range truth {
			if rng.IntN(3) > 0 {
				continue
			}
			mem, d := l.disk(t)
			_, before, err := recovered(mem)
			if err != nil {
				t.Fatalf("seed %d: %v\n%x", seed, err, l)
			}
			base := int64(-1)
			for _, s := range l.snaps {
				if s <= zxid {
					base = max(base, s)
				}
			}
			possible := base >= 0
			for i, x := range truth {
				possible = possible && (x <= base || x > zxid || have[i])
			}
			_, err = TakeBack(d, zxid, Limits{})
			_, last, rerr := recovered(mem.CrashClone(seed))
			var impossible *TakeBackError
			switch {
			case rerr != nil:
				t.Fatalf("seed %d: 0x%x: %v", seed, zxid, rerr)
			case possible && (err != nil || last != zxid), !possible && (!errors.As(err, &impossible) || last != before):
				t.Fatalf("seed %d: 0x%x, possible %v: at 0x%x, was 0x%x, %v\n%x", seed, zxid, possible, last, before, err, l)
			case possible:
				done++
			default:
				refused++
			}
		}
	}
	t.Logf("%d done, %d refused", done, refused)
}

// randomLayout is the disk of a server that was away at times, and got a
// snapshot of the leader's then; with all transactions there ever were, and
// which of them it has logged.
func randomLayout(rng *rand.Rand) (l layout, truth []int64, have []bool) {
	var file []int64
	end := func() {
		if len(file) > 0 {
			l.logs = append(l.logs, file)
		}
		file = nil
	}
	l.snaps = []int64{0}
	epoch, counter, up := int64(0), int64(0), true
	for range 20 + rng.IntN(20) {
		if rng.IntN(12) == 0 {
			epoch, counter = epoch+1+rng.Int64N(2), 0
		}
		if rng.IntN(10) == 0 {
			if up = !up; up {
				end()
				l.snaps = append(l.snaps, z(epoch, counter))
			}
		}
		if up && rng.IntN(8) == 0 {
			end()
			if n := len(truth); n > 0 && have[n-1] && rng.IntN(2) == 0 {
				l.snaps = append(l.snaps, truth[n-1])
			}
		}
		counter++
		truth, have = append(truth, z(epoch, counter)), append(have, up)
		if up {
			file = append(file, z(epoch, counter))
		}
	}
	end()
	if rng.IntN(3) == 0 { // the oldest are purged
		l.snaps = l.snaps[min(len(l.snaps)-1, 1+rng.IntN(3)):]
		slices.Sort(l.snaps)
	}
	return l, truth, have
}

// takeSnap is what a learner does with the snapshot of zxid that a leader has
// sent.
func takeSnap(fsys vfs.FS, zxid int64) error {
	d := FindDirs(fsys, "/data", "/log")
	if _, err := DropBehind(d, zxid, Limits{}); err != nil {
		return err
	}
	if err := writeSnapshot(fsys, d, zxid); err != nil {
		return err
	}
	report, err := DropBehind(d, zxid, Limits{})
	if err == nil && len(report.Left) > 0 {
		err = fmt.Errorf("left: %v", report.Left)
	}
	return err
}

// A leader's snapshot takes the place of any history. The power fails at
// every step: what is there is a beginning of the server's own history, or
// the leader's.
func TestDropBehindCrashes(t *testing.T) {
	// lone led epoch 6 for a while, alone; its older snapshots are purged.
	lone := layout{[][]int64{append(span(4, 1, 9), span(6, 1, 3)...), span(6, 4, 9)}, []int64{z(6, 3), z(6, 5)}}
	for _, c := range []struct {
		name   string
		layout layout
		zxid   int64
		next   []int64
	}{
		{"behind", plain, z(5, 40), []int64{z(5, 41), z(6, 1)}},
		{"at the end", plain, z(5, 8), []int64{z(5, 9), z(6, 1)}},
		{"before the end", plain, z(5, 5), []int64{z(5, 6), z(6, 1)}},
		{"before a snapshot", plain, z(5, 2), []int64{z(5, 3), z(6, 1)}},
		{"gapped", gapped, z(4, 20), []int64{z(4, 21), z(5, 1)}},
		{"lone", lone, z(5, 50), []int64{z(5, 51), z(7, 1)}},
		{"lone, of an epoch's begin", lone, z(5, 0), []int64{z(5, 1), z(7, 1)}},
		{"lone, older than all", lone, z(3, 50), []int64{z(7, 1)}},
		{"bare", bare, z(4, 20), []int64{z(4, 21)}},
		{"bare, later", bare, z(7, 0), []int64{z(7, 1)}},
	} {
		for at, done := 0, false; !done; at++ {
			mem, _ := c.layout.disk(t)
			own, _, err := recovered(mem)
			if err != nil {
				t.Fatal(err)
			}
			mine := append([]int64{own.base}, own.zxids...)
			for _, l := range c.layout.logs {
				mine = append(mine, l...)
			}
			mine = append(mine, c.layout.snaps...)
			err = takeSnap(vfs.NewFaulty(mem, vfs.FailFrom(at, errPower)), c.zxid)
			if done = err == nil; !done && !errors.Is(err, errPower) {
				t.Fatalf("%s: %v", c.name, err)
			}
			for seed := range uint64(10) {
				disk := mem.CrashClone(seed)
				what := fmt.Sprintf("%s, %d operations, crash %d", c.name, at, seed)
				w, last, err := recovered(disk)
				if err != nil || done && (last != c.zxid || len(w.zxids) > 0) || last != c.zxid && !slices.Contains(mine, last) {
					t.Fatalf("%s: at 0x%x from 0x%x, %v", what, last, w.base, err)
				}
				if w.base == c.zxid && len(w.zxids) > 0 && !slices.Contains(c.layout.snaps, c.zxid) {
					t.Fatalf("%s: %x was applied to the leader's snapshot", what, w.zxids)
				}
				if err := takeSnap(disk, c.zxid); err != nil {
					t.Fatalf("%s: again: %v", what, err)
				}
				if _, last, err := recovered(disk); err != nil || last != c.zxid {
					t.Fatalf("%s: again: at 0x%x, %v", what, last, err)
				}
				if done || seed == 0 {
					followed(t, disk, what, c.next)
				}
			}
		}
	}
}

// followed logs a next transaction and starts again.
func followed(t *testing.T, disk *vfs.Mem, what string, next []int64) {
	t.Helper()
	for _, zxid := range next {
		again := disk.CrashClone(1)
		d := FindDirs(again, "/data", "/log")
		appendTxns(t, OpenLog(again, d.Log, LogOptions{}), zxid, zxid, 100)
		if w, last, err := recovered(again.CrashClone(2)); err != nil || last != zxid || len(w.zxids) != 1 {
			t.Fatalf("%s: behind it 0x%x: at 0x%x, %v", what, zxid, last, err)
		}
	}
}

// What is in the way is said, and a disk that fails is no success.
func TestDropBehindFaults(t *testing.T) {
	mem, d := plain.disk(t)
	report, err := DropBehind(d, z(5, 5), Limits{})
	if err != nil || len(report.Left) != 1 || path.Base(report.Left[0]) != "snapshot.500000006" || path.Base(report.Cut) != "log.500000004" {
		t.Fatalf("%+v, %v", report, err)
	}
	// A torn snapshot of that name is none.
	writeFile(t, mem, path.Join(d.Snap, SnapshotName(z(5, 5), NoCompression)), []byte("torn while it was written"))
	if report, err := DropBehind(d, z(5, 5), Limits{}); err != nil || len(report.Left) != 1 || report.Snapshots != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, kind := range []vfs.OpKind{vfs.OpList, vfs.OpRemove, vfs.OpSyncDir, vfs.OpTruncate, vfs.OpSync, vfs.OpOpen, vfs.OpRead} {
		for n := 0; ; n++ {
			mem, d := plain.disk(t)
			if err := writeSnapshot(mem, d, z(5, 2)); err != nil {
				t.Fatal(err)
			}
			var hit bool
			off := vfs.NewFaulty(mem, func(op vfs.Op) *vfs.Fault {
				if op.Kind != kind || n < 0 {
					return nil
				}
				if n--; n >= 0 {
					return nil
				}
				hit = true
				return &vfs.Fault{Err: syscall.EIO}
			})
			keep := n
			_, err := DropBehind(FindDirs(off, d.Data, d.DataLog), z(5, 2), Limits{})
			if !hit {
				break
			}
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s %d: %v", kind, keep, err)
			}
			n = keep
		}
	}
}

var _ Target = (*way)(nil)
