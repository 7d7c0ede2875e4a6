package storage

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"
	"testing"

	"zooid/internal/vfs"
)

// faultRun is a server's work in small: two logs, two snapshots, a purge. It
// returns the last committed transaction and the first error.
func faultRun(fs vfs.FS) (committed int64, err error) {
	d := FindDirs(fs, "/data", "/log")
	for _, dir := range d.both() {
		if err := fs.MkdirAll(dir); err != nil {
			return 0, err
		}
	}
	l := OpenLog(fs, d.Log, LogOptions{PreAlloc: 16 << 10})
	state := chain{}
	for round := range 5 {
		for range 10 {
			zxid := state.last + 1
			entry := txn(zxid, 900)
			if err := l.Append(zxid, entry); err != nil {
				return committed, sticky(l, err)
			}
			state.add(zxid, entry[32:len(entry)-12])
			if zxid%3 == 0 {
				if _, err := l.Commit(); err != nil {
					return committed, sticky(l, err)
				}
				committed = zxid
			}
		}
		if err := l.Roll(); err != nil {
			return committed, sticky(l, err)
		}
		committed = state.last
		w, err := NewSnapshotWriter(fs, d.Snap, state.last, SnapshotOptions{Compression: Compression(round % 3), SyncEach: 2 << 10})
		if err != nil {
			return committed, err
		}
		if _, err := w.Write(state.snapshotBody(30)); err != nil {
			w.Abort()
			return committed, err
		}
		if _, err := w.Finish(SnapshotTail{HasDigest: true}); err != nil {
			return committed, err
		}
		if _, err := Purge(d, 3); err != nil {
			return committed, err
		}
	}
	return committed, l.Close()
}

// sticky checks that nothing is taken after a failure.
func sticky(l *Log, err error) error {
	if again := l.Append(999, txn(999, 1)); again != err {
		return fmt.Errorf("appended after %w: %v", err, again)
	}
	if _, again := l.Commit(); again != err {
		return fmt.Errorf("committed after %w: %v", err, again)
	}
	if again := l.Roll(); again != err || l.Err() != err || l.Close() != err {
		return fmt.Errorf("rolled after %w: %v", err, again)
	}
	return err
}

// Every single operation of the file system fails once, in every way: what
// was committed before is all there, on the disk as it is and after a crash.
func TestFaults(t *testing.T) {
	count := vfs.NewFaulty(newFaultDisk(t), nil)
	if _, err := faultRun(count); err != nil {
		t.Fatal(err)
	}
	for n := range 2 * count.Count() {
		cause, short := []error{syscall.ENOSPC, syscall.EIO}[n%2], []int{0, 700}[n/2%2]
		mem := newFaultDisk(t)
		var hit vfs.Op
		fs := vfs.NewFaulty(mem, func(op vfs.Op) *vfs.Fault {
			if op.N != n/2 {
				return nil
			}
			hit = op
			return &vfs.Fault{Err: cause, Short: short}
		})
		committed, err := faultRun(fs)
		if err == nil && !harmless(hit.Kind) {
			t.Fatalf("%s %s failed and nobody said so", hit.Kind, hit.Name)
		}
		if err != nil && (!errors.Is(err, cause) || !strings.Contains(err.Error(), "version-2")) {
			t.Fatalf("%s %s: %v", hit.Kind, hit.Name, err)
		}
		for seed := range uint64(3) {
			disk := mem
			if seed > 0 {
				disk = mem.CrashClone(seed)
			}
			checkFaultDisk(t, disk, committed, fmt.Sprintf("%s %s failed with %v (operation %d), seed %d", hit.Kind, hit.Name, cause, n/2, seed))
		}
	}
}

// newFaultDisk is a disk with the first snapshot on it.
func newFaultDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	w, err := NewSnapshotWriter(mem, d.Snap, 0, SnapshotOptions{})
	if err == nil {
		_, err = w.Write((&chain{}).snapshotBody(0))
	}
	if err == nil {
		_, err = w.Finish(SnapshotTail{})
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	return mem
}

// harmless operations may fail without a word: preallocation and giving space
// back are not needed, zeros are written ahead, a file that is not there yet
// is not opened, and a left-over that is not removed is found at the start.
func harmless(kind vfs.OpKind) bool {
	switch kind {
	case vfs.OpPreallocate, vfs.OpTruncate, vfs.OpWrite, vfs.OpOpen, vfs.OpRead, vfs.OpClose:
		return true
	}
	return false
}

func checkFaultDisk(t *testing.T, disk *vfs.Mem, committed int64, what string) {
	t.Helper()
	d := FindDirs(disk, "/data", "/log")
	var got chain
	report, err := Recover(d, RecoverOptions{}, &got)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got.last < committed || report.LastZxid != got.last {
		t.Fatalf("%s: recovered to 0x%x, committed 0x%x", what, got.last, committed)
	}
	if len(report.Skipped) > 0 {
		t.Fatalf("%s: a half snapshot has a name: %v", what, report.Skipped)
	}
}

// A write that fails is named with file and offset.
func TestLogErrorsNameFileAndOffset(t *testing.T) {
	for _, c := range []struct {
		rule vfs.Rule
		want string
	}{
		{vfs.FailNth(vfs.OpCreate, 0, syscall.EACCES), "create transaction log: create /log/version-2/log.1: permission denied"},
		{vfs.FailNth(vfs.OpWrite, 0, syscall.ENOSPC), "write transaction log /log/version-2/log.1 at offset 0: write /log/version-2/log.1: no space left on device"},
		{vfs.FailNth(vfs.OpSync, 0, syscall.EIO), "sync transaction log /log/version-2/log.1, bytes 0 to 187: sync /log/version-2/log.1: input/output error"},
		{vfs.FailNth(vfs.OpSyncDir, 0, syscall.EIO), "sync directory /log/version-2 of the new transaction log /log/version-2/log.1: syncdir /log/version-2: input/output error"},
	} {
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		l := OpenLog(vfs.NewFaulty(mem, c.rule), d.Log, LogOptions{})
		err := l.Append(1, txn(1, 100))
		if err == nil {
			_, err = l.Commit()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// A log that exists with content is not written over.
func TestLogRefusesToOverwrite(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{})
	appendTxns(t, l, 1, 3, 10)
	before := fileBytes(t, mem, path.Join(d.Log, "log.1"))
	other := OpenLog(mem, d.Log, LogOptions{})
	if err := other.Append(1, txn(1, 10)); err == nil || !strings.Contains(err.Error(), "exists already and is not empty") {
		t.Fatal(err)
	}
	if string(fileBytes(t, mem, path.Join(d.Log, "log.1"))) != string(before) {
		t.Fatal("the file has changed")
	}
	if err := l.Append(4, []byte("short")); err == nil || !strings.Contains(err.Error(), "fewer than a transaction header") {
		t.Fatal(err)
	}
}

func TestSizeLimit(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{SizeLimit: 1000})
	for z := int64(1); z <= 20; z++ {
		appendTxns(t, l, z, z, 300)
	}
	// Three records of 371 bytes and a header are more than the limit.
	if l.Total() != 20*371+7*16 || l.Size() != 2*371+16 || l.File() != "/log/version-2/log.13" {
		t.Fatalf("total %d, size %d in %q", l.Total(), l.Size(), l.File())
	}
	l.ResetTotal()
	appendTxns(t, l, 21, 21, 300)
	if l.Total() != 371 || l.Size() != 0 || l.File() != "" {
		t.Fatalf("total %d, size %d in %q", l.Total(), l.Size(), l.File())
	}
	appendTxns(t, l, 22, 22, 300)
	files, err := Logs(mem, d.Log)
	if err != nil || len(files) != 8 {
		t.Fatalf("%v %v", files, err)
	}
	got, _, err := zxids(t, mem, d.Log, 1)
	if err != nil || len(got) != 22 {
		t.Fatalf("%v %v", got, err)
	}
}

// With forceSync=no nothing is synced, and yet nothing is lost when only the
// process ends.
func TestNoSync(t *testing.T) {
	fs := vfs.NewFaulty(vfs.NewMem(), vfs.FailFrom(0, errors.New("synced"), vfs.OpSync, vfs.OpSyncDir))
	for _, dir := range []string{"/log/version-2"} {
		if err := fs.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	l := OpenLog(fs, "/log/version-2", LogOptions{NoSync: true, PreAlloc: 1 << 16})
	appendTxns(t, l, 1, 100, 100)
	appendTxns(t, l, 101, 108, 1<<20) // more than may be unsynced otherwise
	if took, err := l.Commit(); took != 0 || err != nil {
		t.Fatal(took, err)
	}
	got, _, err := zxids(t, fs, "/log/version-2", 1)
	if err != nil || len(got) != 108 {
		t.Fatalf("%v %v", got, err)
	}
}

// Never more than a window is written without a sync: the reader relies on it.
func TestUnsyncedWindow(t *testing.T) {
	mem := vfs.NewMem()
	var unsynced, most int64
	fs := vfs.NewFaulty(mem, func(op vfs.Op) *vfs.Fault {
		switch op.Kind {
		case vfs.OpWrite:
			unsynced += int64(op.Len)
			most = max(most, unsynced)
		case vfs.OpSync:
			unsynced = 0
		}
		return nil
	})
	d := memDirs(t, fs)
	l := OpenLog(fs, d.Log, LogOptions{})
	for z := int64(1); z <= 3000; z++ {
		if err := l.Append(z, txn(z, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if most > tornWindow || most < tornWindow/2 {
		t.Fatalf("%d bytes unsynced", most)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// After a failed read the reader gives the same error again.
func TestReadError(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{})
	appendTxns(t, l, 1, 3000, 1000)
	fs := vfs.NewFaulty(mem, vfs.FailNth(vfs.OpRead, 1, syscall.EIO))
	r, err := OpenLogReader(fs, path.Join(d.Log, "log.1"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next()
	}
	if _, again := r.Next(); errors.Is(err, io.EOF) || !errors.Is(err, syscall.EIO) || again != err {
		t.Fatalf("%v, then %v", err, again)
	}
}

// A snapshot whose name could not be made durable is none: a purge that
// counted it would delete what a crash still needs.
func TestSnapshotWithoutDurableName(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	fs := vfs.NewFaulty(mem, vfs.FailNth(vfs.OpSyncDir, 0, syscall.EIO))
	w, err := NewSnapshotWriter(fs, d.Snap, 7, SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write((&chain{}).snapshotBody(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(SnapshotTail{}); !errors.Is(err, syscall.EIO) {
		t.Fatalf("finished with %v", err)
	}
	if left, err := Snapshots(mem, d.Snap); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
