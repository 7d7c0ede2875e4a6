package storage

import (
	"slices"
	"testing"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// heard is a recovery target that remembers which transactions it was given.
type heard struct{ zxids []int64 }

func (h *heard) Reset()                                                { h.zxids = nil }
func (h *heard) Session(int64, int32)                                  {}
func (h *heard) ACL(int64, []byte)                                     {}
func (h *heard) Node([]byte, []byte, int64, *wire.StatPersisted) error { return nil }
func (h *heard) Loaded(*SnapshotInfo) error                            { return nil }
func (h *heard) Progress(Progress)                                     {}
func (h *heard) Apply(x *wire.TxnHeader, _ []byte, _ *wire.TxnDigest) error {
	h.zxids = append(h.zxids, x.Zxid)
	return nil
}

// A process is killed with transactions in its log that it never synced. The
// next one recovers them, so that they are history, and acknowledges more.
// When the power fails after that, none of them may be missing.
func TestRecoveryMakesDurableWhatItReplays(t *testing.T) {
	for seed := range uint64(40) {
		mem := vfs.NewMem()
		write := func(from, to int64, commit bool) {
			d, err := OpenDirs(mem, "/data", "", true)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := Recover(d, RecoverOptions{AutoCreate: true, TrustEmpty: true}, &heard{}); err != nil {
				t.Fatal(err)
			}
			l := OpenLog(mem, d.Log, LogOptions{})
			for zxid := from; zxid <= to; zxid++ {
				if err := l.Append(zxid, txn(zxid, 100)); err != nil {
					t.Fatal(err)
				}
			}
			if commit {
				_, err = l.Commit()
			} else {
				err = l.flush()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		write(1, 9, false) // killed
		write(10, 12, true)
		var h heard
		d := FindDirs(mem.CrashClone(seed), "/data", "")
		if _, err := Recover(d, RecoverOptions{TrustEmpty: true}, &h); err != nil {
			t.Fatalf("crash %d: %v", seed, err)
		}
		if want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(h.zxids, want) {
			t.Fatalf("crash %d: recovered %v, want %v", seed, h.zxids, want)
		}
	}
}

// noSyncDir is a file system on which the process is killed before the names
// of its files are made durable.
type noSyncDir struct{ vfs.FS }

func (noSyncDir) SyncDir(string) error { return nil }

// A process is killed right after it gave its first snapshot its name. The next
// one serves from it and acknowledges transactions; when the power fails then,
// the snapshot that they stand on may not be missing.
func TestRecoveryMakesDurableWhatItLoads(t *testing.T) {
	for seed := range uint64(40) {
		mem := vfs.NewMem()
		w, err := NewSnapshotWriter(noSyncDir{mem}, prepared(t, mem).Snap, 0, SnapshotOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var c chain
		w.Write(c.snapshotBody(0))
		if _, err := w.Finish(SnapshotTail{}); err != nil {
			t.Fatal(err)
		}
		d := prepared(t, mem)
		if _, err := Recover(d, RecoverOptions{}, &heard{}); err != nil {
			t.Fatal(err)
		}
		l := OpenLog(mem, d.Log, LogOptions{})
		if err := l.Append(1, txn(1, 100)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Commit(); err != nil {
			t.Fatal(err)
		}
		var h heard
		after := FindDirs(mem.CrashClone(seed), "/data", "/log")
		if _, err := Recover(after, RecoverOptions{}, &h); err != nil || !slices.Equal(h.zxids, []int64{1}) {
			t.Fatalf("crash %d: recovered %v, %v", seed, h.zxids, err)
		}
	}
}

// prepared makes the directories of a server that has two.
func prepared(t *testing.T, fs vfs.FS) *Dirs {
	t.Helper()
	d, err := OpenDirs(fs, "/data", "/log", true)
	if err != nil {
		t.Fatal(err)
	}
	d.Close() // lets go of the locks only
	return d
}
