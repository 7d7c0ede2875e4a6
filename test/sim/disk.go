package sim

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"

	"zooid/internal/storage"
	"zooid/internal/vfs"
)

// disk is the file system of the simulated machine: a vfs.Mem that can crash
// between any two operations and fail any of them.
type disk struct {
	w      *world
	mem    *vfs.Mem
	faulty *vfs.Faulty
	fs     vfs.FS // what the server gets: faulty, or a mutant's view of it

	cutIn    int    // a crash comes before this many operations more; 0 = none
	dead     bool   // it came: nothing reaches the disk any more
	rotten   string // the snapshot in which a byte has changed
	fault    vfs.Rule
	injected int // faults since the last start of the server

	// Of mutants: syncs are left out.
	skipSync bool
}

// powerCut is what a crash in the middle of a call of storage panics with.
type powerCut struct{}

// The errors of a bad disk.
var (
	errFull = errors.New("no space left on device")
	errIO   = errors.New("input/output error")
	errDead = errors.New("the machine is off")
)

func newDisk(w *world) *disk {
	d := &disk{w: w}
	d.use(vfs.NewMem())
	return d
}

// use makes mem the disk, as it is found at power on.
func (d *disk) use(mem *vfs.Mem) {
	d.mem = mem
	d.faulty = vfs.NewFaulty(mem, d.rule)
	d.fs = &mutantFS{FS: d.faulty, d: d}
	d.cutIn, d.dead = 0, false
}

// rule is asked before every operation.
func (d *disk) rule(op vfs.Op) *vfs.Fault {
	if d.dead {
		return &vfs.Fault{Err: errDead}
	}
	if d.cutIn > 0 {
		if d.cutIn--; d.cutIn == 0 {
			d.dead = true
			panic(powerCut{})
		}
	}
	if d.fault == nil {
		return nil
	}
	f := d.fault(op)
	if f != nil {
		d.injected++
		d.w.met("fault: " + string(op.Kind))
	}
	return f
}

// blame is called with an error of storage: it has to come from a fault that
// was injected since before faults.
func (d *disk) blame(before int, invariant string, err error) {
	if d.injected == before {
		d.w.fail(invariant, "a disk that works gave an error: %v", err)
	}
}

// breakDown draws a fault: one operation that fails, a disk that is full from
// now on, or a write of which only a part arrives.
func (d *disk) breakDown(rng *rand.Rand) {
	n := rng.IntN(12)
	name := [...]string{"", "log.", "zooid-temp."}[rng.IntN(3)]
	switch rng.IntN(4) {
	case 0:
		kinds := [...]vfs.OpKind{vfs.OpSync, vfs.OpWrite, vfs.OpSyncDir, vfs.OpCreate, vfs.OpRename,
			vfs.OpRemove, vfs.OpClose, vfs.OpTruncate, vfs.OpPreallocate, vfs.OpList, vfs.OpOpen}
		d.fault = vfs.FailNth(kinds[rng.IntN(len(kinds))], n/2, errIO)
	case 1:
		d.fault = vfs.OnName(name, vfs.FailNth(vfs.OpSync, n/4, errIO))
	case 2:
		d.fault = vfs.FailFrom(n, errFull, vfs.OpWrite, vfs.OpPreallocate, vfs.OpCreate)
	default:
		inner := vfs.OnName(name, vfs.FailNth(vfs.OpWrite, n, errFull))
		sectors := rng.IntN(4)
		d.fault = func(op vfs.Op) *vfs.Fault {
			f := inner(op)
			if f != nil { // a part of a write ends where a sector does
				f.Short = max(0, sectors*512-int(op.Off%512))
			}
			return f
		}
	}
}

// rot changes a byte of the newest snapshot, if there is an older one: that one
// and the logs have to do.
func (d *disk) rot(rng *rand.Rand) {
	files, err := storage.Snapshots(d.mem, dataDir+"/version-2")
	if err != nil || len(files) < 2 {
		return
	}
	name := files[len(files)-1].Path
	f, err := d.mem.OpenWrite(name)
	if err != nil {
		return
	}
	defer f.Close()
	size, _ := f.Size()
	var b [1]byte
	at := rng.Int64N(size)
	f.ReadAt(b[:], at)
	b[0] ^= 1 << rng.IntN(8)
	f.WriteAt(b[:], at)
	f.Sync()
	d.rotten = name
	d.w.trace("%s rots at %d", name, at)
	d.w.met("snapshot rotten")
}

// mutantFS leaves out syncs when a mutant of the shell asks for it, and hides
// files from it.
type mutantFS struct {
	vfs.FS
	d *disk
}

func (m *mutantFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &mutantFile{f, m.d}, nil
}

// Create implements vfs.FS.
func (m *mutantFS) Create(name string) (vfs.File, error) { return m.wrap(m.FS.Create(name)) }

// OpenWrite implements vfs.FS.
func (m *mutantFS) OpenWrite(name string) (vfs.File, error) { return m.wrap(m.FS.OpenWrite(name)) }

// SyncDir implements vfs.FS.
func (m *mutantFS) SyncDir(dir string) error {
	if m.d.w.mutant(noDirSync) {
		return nil
	}
	return m.FS.SyncDir(dir)
}

// List implements vfs.FS.
func (m *mutantFS) List(dir string) ([]string, error) {
	names, err := m.FS.List(dir)
	if m.d.w.mutant(wrongLog) && m.d.w.srv.recovering {
		names = hideOldLogs(names)
	}
	return names, err
}

// Lock implements vfs.FS.
func (m *mutantFS) Lock(name string) (io.Closer, error) { return m.FS.Lock(name) }

type mutantFile struct {
	vfs.File
	d *disk
}

// Sync implements vfs.File.
func (f *mutantFile) Sync() error {
	w := f.d.w
	temp := strings.Contains(f.Name(), "zooid-temp.")
	switch {
	case f.d.skipSync, temp && w.mutant(snapshotNotSynced), !temp && w.srv.recovering && w.mutant(recoverUnsynced):
		return nil
	}
	return f.File.Sync()
}
