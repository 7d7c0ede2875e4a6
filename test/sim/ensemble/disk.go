package ensemble

import (
	"errors"
	"fmt"
	"hash/fnv"

	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/vfs"
)

// The directories of each server.
const (
	dataDir    = "/data"
	dataLogDir = "/datalog"
)

// disk is the file system of a server, which outlives its processes. A crash
// may come between any two operations.
type disk struct {
	s     *server
	mem   *vfs.Mem
	fs    vfs.FS
	cutIn int  // a crash comes before this many operations more; 0 = none
	dead  bool // it came

	fault  vfs.Rule // nil: the disk is well
	failed bool     // an operation has, since the machine was started

	skipSync bool // of mutants
}

// powerCut is what a crash in the middle of a call of storage panics with.
type powerCut struct{}

// The errors of a bad disk.
var (
	errDead = errors.New("the machine is off")
	errIO   = errors.New("input/output error")
	errFull = errors.New("no space left on device")
)

func newDisk(s *server) *disk {
	d := &disk{s: s}
	d.use(vfs.NewMem())
	return d
}

// use makes mem the disk, as it is found at power on.
func (d *disk) use(mem *vfs.Mem) {
	d.mem, d.cutIn, d.dead = mem, 0, false
	d.fault, d.failed, d.skipSync = nil, false, false
	d.fs = &mutantFS{d: d, FS: vfs.NewFaulty(mem, func(op vfs.Op) *vfs.Fault {
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
			d.failed = true
			d.s.w.met("fault: " + string(op.Kind))
		}
		return f
	})}
}

// breakDown draws an operation that will fail.
func (d *disk) breakDown() {
	rng := d.s.w.rng
	kinds := [...]vfs.OpKind{vfs.OpSync, vfs.OpWrite, vfs.OpSyncDir, vfs.OpCreate, vfs.OpRename, vfs.OpRemove, vfs.OpTruncate}
	kind := kinds[rng.IntN(len(kinds))]
	d.fault = vfs.FailNth(kind, rng.IntN(8), errIO)
	if kind == vfs.OpWrite {
		d.fault = vfs.FailFrom(rng.IntN(8), errFull, vfs.OpWrite, vfs.OpCreate)
	}
}

// diskFailed is what a process panics with that cannot go on with its disk.
type diskFailed struct{}

// bad takes an error of storage: the process ends, if its disk has failed.
func (l *life) bad(err error, check, what string) {
	if l.s.disk.failed {
		l.w.trace("%d: %s: %v", l.s.id, what, err)
		panic(diskFailed{})
	}
	l.w.fail(check, "server %d: %s: %v", l.s.id, what, err)
}

// mutantFS leaves out syncs when a mutant of the shell asks for it.
type mutantFS struct {
	vfs.FS
	d *disk
}

// Create implements vfs.FS.
func (m *mutantFS) Create(name string) (vfs.File, error) {
	f, err := m.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return &mutantFile{f, m.d}, nil
}

// SyncDir implements vfs.FS.
func (m *mutantFS) SyncDir(dir string) error {
	if m.d.skipSync {
		return nil
	}
	return m.FS.SyncDir(dir)
}

type mutantFile struct {
	vfs.File
	d *disk
}

// Sync implements vfs.File.
func (f *mutantFile) Sync() error {
	if f.d.skipSync {
		return nil
	}
	return f.File.Sync()
}

// guard runs a call into storage, in which the power may go. It returns
// whether the process still lives.
func (l *life) guard(call func()) (alive bool) {
	defer func() {
		switch x := recover().(type) {
		case nil:
			return
		case powerCut:
			l.w.met("crash inside a call of storage")
		case diskFailed:
			l.w.met("server stopped by its disk")
			l.w.comeBack(l.s)
		case cannotGoBack:
			l.w.met("server wiped as its log cannot be taken back")
			l.s.wipe()
			return
		default:
			panic(x)
		}
		if l.w.chance(3) {
			l.s.kill()
		} else {
			l.s.powerOff()
		}
		alive = false
	}()
	call()
	return l.s.life == l
}

// queued is a record on its way to the disk, with a sum of what it was when
// the core made it.
type queued struct {
	replica.Record
	sum uint64
}

func sumOf(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func (l *life) enqueue(rec *replica.Record) {
	q := queued{*rec, sumOf(rec.Entry)}
	l.w.trail(rec.Entry)
	switch {
	case l.w.mutant(epochFirst) && rec.Op == replica.SaveCurrent:
		l.queue = append([]queued{q}, l.queue...)
	case l.w.mutant(storedEarly) && rec.Token != 0 && rec.Op != replica.TruncateAndLoad:
		l.put(replica.Event{Kind: replica.Stored, Peer: &replica.PeerEvent{Token: rec.Token}})
		fallthrough
	default:
		l.queue = append(l.queue, q)
	}
	l.work()
}

// pace is how long the disk takes for something.
func (l *life) pace(ms int64) int64 {
	if l.w.now < l.s.slow {
		return l.w.upTo(3 * l.w.prof.tick)
	}
	return l.w.upTo(ms)
}

// work lets the disk writer take what waits.
func (l *life) work() {
	if l.busy || len(l.queue) == 0 || l.w.script.holdsDisk(l.s) {
		return
	}
	l.busy = true
	l.after(l.pace(l.w.prof.diskDelay), l.write)
}

// write takes the next records: entries together, anything else alone.
func (l *life) write() {
	n := 0
	for n < len(l.queue) && l.queue[n].Op == replica.Append {
		n++
	}
	if n == 0 {
		rec := l.queue[0]
		l.queue = l.queue[1:]
		l.perform(&rec)
		return
	}
	if n = 1 + l.w.rng.IntN(n); l.w.script.holdsDisk(l.s) {
		n = 1
	}
	batch := append([]queued(nil), l.queue[:n]...)
	l.queue = l.queue[n:]
	if l.w.mutant(ackBeforeSync) {
		l.durable(batch)
	}
	alive := l.guard(func() {
		for i := range batch {
			l.append(&batch[i])
		}
	})
	if alive {
		l.after(l.pace(l.w.prof.fsync), func() { l.commit(batch) })
	}
}

func (l *life) append(rec *queued) {
	l.intact(rec)
	var err error
	if rec.Roll {
		err = l.log.Roll()
	}
	if err == nil {
		err = l.log.Append(rec.Zxid, rec.Entry)
	}
	if err != nil {
		l.bad(err, "log", "the log cannot be written")
	}
}

// intact checks that the bytes of a record are what they were (I8).
func (l *life) intact(rec *queued) {
	if sumOf(rec.Entry) != rec.sum {
		l.w.fail("I8", "server %d: the record of 0x%x changed before it was durable", l.s.id, rec.Zxid)
	}
}

// synced is commit once a scenario lets it happen, if the process still lives.
func (l *life) synced(batch []queued) {
	if l.s.life == l {
		l.commit(batch)
	}
}

// commit syncs what was written, and goes on.
func (l *life) commit(batch []queued) {
	if l.w.script.holdsSync(l.s, func() { l.synced(batch) }) {
		return
	}
	alive := l.guard(func() {
		if _, err := l.log.Commit(); err != nil {
			l.bad(err, "log", "the log cannot be committed")
		}
	})
	if !alive {
		return
	}
	for i := range batch {
		l.intact(&batch[i])
	}
	l.s.held = batch[len(batch)-1].Zxid
	if !l.w.mutant(ackBeforeSync) {
		l.durable(batch)
	}
	l.busy = false
	l.work()
}

func (l *life) durable(batch []queued) {
	zxid := batch[len(batch)-1].Zxid
	if l.w.mutant(ackTheQueue) {
		for i := range l.queue {
			zxid = max(zxid, l.queue[i].Zxid)
		}
	}
	l.put(replica.Event{Kind: replica.Durable, Zxid: zxid})
}

// perform does what is no entry; everything before it is durable.
func (l *life) perform(rec *queued) {
	answer := &replica.PeerEvent{Token: rec.Token}
	alive := l.guard(func() {
		var err error
		switch rec.Op {
		case replica.SaveAccepted:
			l.s.disk.skipSync = l.w.mutant(epochNotSynced)
			err = l.dirs.WriteEpoch(storage.AcceptedEpoch, rec.Epoch)
		case replica.SaveCurrent:
			l.s.disk.skipSync = l.w.mutant(epochNotSynced)
			err = l.dirs.WriteEpoch(storage.CurrentEpoch, rec.Epoch)
		case replica.Truncate, replica.TruncateAndLoad, replica.DropBehind:
			answer.State, err = l.takeBack(rec)
		case replica.SaveSeen, replica.SaveConfig:
			err = l.storeConfig(rec)
		}
		l.s.disk.skipSync = false
		var never *storage.TakeBackError
		if errors.As(err, &never) {
			l.w.trace("%d: %v", l.s.id, err)
			panic(cannotGoBack{})
		}
		if err != nil {
			l.bad(err, "disk", fmt.Sprintf("operation %d, zxid 0x%x", rec.Op, rec.Zxid))
		}
	})
	if alive {
		l.after(l.pace(l.w.prof.fsync), func() {
			l.busy = false
			if rec.Op == replica.SaveSeen || rec.Op == replica.SaveConfig {
				l.work()
				return
			}
			if !l.w.mutant(storedEarly) || rec.Op == replica.TruncateAndLoad {
				l.put(replica.Event{Kind: replica.Stored, Peer: answer})
			}
			l.work()
		})
	}
}

// takeBack cuts the log, and reads the state again if that is asked for.
func (l *life) takeBack(rec *queued) (*replica.Restore, error) {
	l.w.met([...]string{replica.Truncate: "log cut", replica.TruncateAndLoad: "log cut and loaded", replica.DropBehind: "log dropped"}[rec.Op])
	if err := l.log.Close(); err != nil {
		return nil, err
	}
	s := l.s
	s.cutTo = l.w.truth.before(s.held, rec.Zxid)
	var err error
	switch {
	case l.w.mutant(truncateNot) && rec.Op == replica.Truncate, l.w.mutant(dropNot) && rec.Op == replica.DropBehind:
	case l.w.mutant(dropOnce) && rec.Op == replica.DropBehind && s.held == l.w.truth.norm(rec.Zxid):
	case rec.Op == replica.DropBehind:
		_, err = storage.DropBehind(l.dirs, rec.Zxid, storage.Limits{})
	default:
		_, err = storage.TakeBack(l.dirs, rec.Zxid, storage.Limits{})
	}
	if err != nil {
		return nil, err
	}
	s.held, s.cutTo = s.cutTo, -1
	l.log = l.openLog()
	if rec.Op != replica.TruncateAndLoad {
		return nil, nil
	}
	t := &restorer{replica.NewRestore(l.cfg)}
	report, err := storage.Recover(l.dirs, storage.RecoverOptions{}, t)
	if err == nil && report.LastZxid != rec.Zxid {
		l.w.fail("truncate", "server %d was to go back to 0x%x and is at 0x%x", s.id, rec.Zxid, report.LastZxid)
	}
	return t.Restore, err
}

func (l *life) openLog() *storage.Log {
	p := &l.w.prof
	return storage.OpenLog(l.dirs.FS, l.dirs.Log, storage.LogOptions{PreAlloc: p.preAlloc, SizeLimit: p.sizeLimit})
}

// snapshotJob is a snapshot under way.
type snapshotJob struct {
	snap *replica.Snapshot
	out  *storage.SnapshotWriter
	part int
	buf  []byte
}

func (l *life) startSnapshot(snap *replica.Snapshot) {
	if l.job != nil {
		if !snap.Received {
			l.w.fail("snapshot", "server %d begins a snapshot while another is under way", l.s.id)
		}
		l.w.met("snapshot given up for the leader's")
		l.giveUp()
	}
	l.w.trace("%d: snapshot 0x%x begins, received %v", l.s.id, snap.Zxid, snap.Received)
	if snap.Received && l.w.mutant(receivedUnwritten) {
		l.put(replica.Event{Kind: replica.SnapshotDone, Received: true})
	}
	j := &snapshotJob{snap: snap}
	l.job = j
	l.after(l.pace(l.w.prof.diskDelay), func() { l.snapshotTurn(j) })
}

// giveUp ends the snapshot under way.
func (l *life) giveUp() {
	if l.job.out != nil {
		l.guard(l.job.out.Abort)
	}
	l.job.snap.Walk.Abort()
	l.job = nil
}

func (l *life) snapshotTurn(j *snapshotJob) {
	if l.job != j || l.w.script.holdsWalk(l.s) {
		return
	}
	var done, failed bool
	if j.snap.Received {
		l.s.cutTo = l.w.truth.common(l.s.held, j.snap.Zxid)
	}
	alive := l.guard(func() {
		var err error
		if done, err = l.snapshotStep(j); err != nil && !j.snap.Received {
			l.w.met("snapshot lost its file") // the log was cut and read again meanwhile
		} else if err != nil && !l.s.disk.failed {
			l.w.fail("snapshot", "server %d cannot write a snapshot: %v", l.s.id, err)
		}
		failed = err != nil
	})
	switch {
	case !alive:
		return
	case failed:
		l.w.met("snapshot failed")
		if !j.snap.Received {
			l.s.cutTo = -1
		} // else it may be there all the same, and the process ends
		l.giveUp()
		l.put(replica.Event{Kind: replica.SnapshotDone, Received: j.snap.Received, Why: "the disk"})
		return
	}
	if j.snap.Received {
		if l.s.cutTo = -1; done {
			l.s.held = l.w.truth.norm(j.snap.Zxid)
		}
	}
	if !done {
		l.after(l.pace(l.w.prof.diskDelay), func() { l.snapshotTurn(j) })
		return
	}
	l.job = nil
	l.w.met("snapshot written")
	if !j.snap.Received || !l.w.mutant(receivedUnwritten) {
		l.put(replica.Event{Kind: replica.SnapshotDone, Received: j.snap.Received})
	}
}

func (l *life) snapshotStep(j *snapshotJob) (done bool, err error) {
	p := &l.w.prof
	j.part++
	switch j.part {
	case 1:
		j.out, err = storage.NewSnapshotWriter(l.dirs.FS, l.dirs.Snap, j.snap.Zxid, storage.SnapshotOptions{SyncEach: p.syncEach})
		return false, err
	case 2:
		_, err = j.out.Write(j.snap.Sessions)
		return false, err
	case 3:
		_, err = j.out.Write(j.snap.ACLs)
		return false, err
	}
	j.buf, done = j.snap.Walk.Next(j.buf[:0], p.turnOf(j.snap))
	if _, err = j.out.Write(j.buf); err != nil || !done {
		return false, err
	}
	_, err = j.out.Finish(storage.SnapshotTail{
		HasDigest: true, DigestZxid: j.snap.Zxid, Digest: int64(j.snap.Digest), HasLastZxid: p.lastZxid, LastZxid: j.snap.Zxid,
	})
	return true, err
}
