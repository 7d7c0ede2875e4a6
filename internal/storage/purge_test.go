package storage

import (
	"errors"
	"testing"

	"zooid/internal/vfs"
)

// A snapshot that cannot be read for a moment (too many open files, a disk that
// hiccups) is not a bad one: what it needs stays.
func TestPurgeStopsAtAReadError(t *testing.T) {
	hiccup := errors.New("too many open files")
	for n := range 4 {
		mem := vfs.NewMem()
		d := prepared(t, mem)
		var c chain
		for zxid := int64(0); zxid < 40; zxid += 10 {
			w, err := NewSnapshotWriter(mem, d.Snap, zxid, SnapshotOptions{})
			if err != nil {
				t.Fatal(err)
			}
			w.Write(c.snapshotBody(0))
			if _, err := w.Finish(SnapshotTail{}); err != nil {
				t.Fatal(err)
			}
		}
		faulty := FindDirs(vfs.NewFaulty(mem, vfs.FailNth(vfs.OpOpen, n, hiccup)), d.Data, d.DataLog)
		gone, err := Purge(faulty, 3)
		if n < 3 && (!errors.Is(err, hiccup) || len(gone) != 0) {
			t.Errorf("read error %d: purged %v, %v", n, gone, err)
		}
		if n == 3 && (err != nil || len(gone) != 1) {
			t.Errorf("purged %v, %v", gone, err)
		}
	}
}
