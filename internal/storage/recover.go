package storage

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// Target takes the state that Recover finds, in this order: Reset, the
// content of a snapshot (Sink), Loaded, and then every transaction behind it.
// If a snapshot turns out to be broken, it all begins again with Reset.
// Without a snapshot Reset is all that comes before the transactions.
type Target interface {
	Sink
	// Reset empties the target.
	Reset()
	// Loaded is told that the snapshot is whole. An error ends the recovery.
	Loaded(s *SnapshotInfo) error
	// Apply replays one transaction. The slices are valid only during the
	// call. An error ends the recovery.
	Apply(h *wire.TxnHeader, body []byte, digest *wire.TxnDigest) error
	// Progress is told now and then how far it is.
	Progress(p Progress)
}

// Foreseer is a Target that is told what it will have to apply soon.
type Foreseer interface {
	// Foresee announces a transaction that Apply follows for.
	Foresee(h *wire.TxnHeader, body []byte)
}

// Progress is the state of a recovery.
type Progress struct {
	File string // being read
	Done int64  // bytes of it
	Size int64  // its length
	// Count is the number of nodes so far while a snapshot is loaded, and of
	// transactions so far while logs are replayed.
	Count int
	Log   bool // logs are being replayed
}

// RecoverOptions are the settings of Recover.
type RecoverOptions struct {
	// ReadAhead has snapshots and logs read on a goroutine of its own, beside what
	// the target makes of them.
	ReadAhead bool
	Limits    Limits
	// TrustEmpty lets a server start from logs without any snapshot
	// (zookeeper.snapshot.trust.empty).
	TrustEmpty bool
	// AutoCreate lets a server without any files begin with an empty database
	// (zookeeper.db.autocreate); the "initialize" marker does the same once.
	AutoCreate bool
	// ReadOnly leaves every file as it is: no torn tail is cut off.
	ReadOnly bool
}

// Report says what Recover has found and done.
type Report struct {
	// Snapshot is the one that was loaded; nil if there was none.
	Snapshot *SnapshotInfo
	// Skipped are newer snapshots that could not be used, newest first.
	Skipped []SkippedSnapshot
	// Empty is true if there was nothing to load. LastZxid is then 0 and the
	// caller writes a snapshot at once, and calls DropMarker after it; or -1,
	// if an empty database is not allowed: the server must not vote, and one
	// that stands alone must not serve.
	Empty bool
	// LastZxid is the last transaction of the recovered state.
	LastZxid int64
	// Txns, LogFiles and LogBytes count what was replayed.
	Txns     int
	LogFiles int
	LogBytes int64
	// Torn lists the logs that end in a record torn by a crash. The record
	// that ended the last log has been cut off.
	Torn []*TornError
	// Removed are files that were deleted: logs without any transaction and
	// unfinished snapshots.
	Removed []string
	// Notes are oddities for the server's log, each one line.
	Notes []string
}

// SkippedSnapshot is a snapshot file that could not be used.
type SkippedSnapshot struct {
	Path string
	Err  error
}

// maxSnapshotTries is how many snapshots are tried (FileSnap).
const maxSnapshotTries = 100

// Recover brings target to the state that the files of d hold: the newest
// snapshot that is whole, and every transaction behind it. What it refuses is
// an error that says which file, where, and what to do.
func Recover(d *Dirs, opts RecoverOptions, target Target) (*Report, error) {
	r := &recovery{d: d, opts: opts, target: target, report: &Report{}}
	r.seer, _ = target.(Foreseer)
	err := r.run()
	if r.opening != nil {
		if o := <-r.opening; o.t != nil {
			o.t.Close()
		}
	}
	return r.report, err
}

// openedTxns are transactions that follow each other, and the first of them.
type openedTxns struct {
	t     *Txns
	first *Entry
	// err is why there are none; next why there is no first.
	err, next error
}

// open finds the transactions from zxid on.
func (r *recovery) open(zxid int64) (o openedTxns) {
	if o.t, o.err = OpenTxns(r.d.FS, r.d.Log, zxid, r.opts.Limits); o.err == nil {
		o.first, o.next = o.t.Next()
	}
	return o
}

type recovery struct {
	d      *Dirs
	opts   RecoverOptions
	target Target
	seer   Foreseer // the target, if it is one
	report *Report

	// opening brings the transactions behind the snapshot, while the target ends it.
	opening chan openedTxns

	skippedZxid int64 // of the newest snapshot that cannot be used; 0 for none
	reached     bool  // that transaction was replayed
}

func (r *recovery) run() error {
	if !r.opts.ReadOnly {
		gone, err := RemoveTemps(r.d.FS, r.d.Snap)
		r.report.Removed = append(r.report.Removed, gone...)
		if err != nil {
			return fmt.Errorf("remove an unfinished snapshot: %w", err)
		}
	}
	logs, err := Logs(r.d.FS, r.d.Log)
	if err != nil {
		return err
	}
	r.target.Reset()
	if err := r.snapshot(); err != nil {
		return err
	}
	if r.report.Snapshot != nil {
		if !r.opts.ReadOnly {
			// A process that was killed may have left the name not durable; the
			// logs that it stands below will be.
			if err := r.d.FS.SyncDir(r.d.Snap); err != nil {
				return fmt.Errorf("make the recovered snapshot %s durable: %w", r.report.Snapshot.Path, err)
			}
			if err := r.d.DropMarker(); err != nil {
				return err
			}
		}
		return r.replay(r.report.Snapshot.Zxid)
	}
	if err := r.lost(); err != nil {
		return err
	}
	if len(logs) > 0 {
		if r.opts.TrustEmpty {
			return r.replay(0)
		}
		return r.noSnapshot()
	}
	r.report.Empty = true
	if !r.opts.AutoCreate && !r.d.Marker() {
		r.report.LastZxid = -1
	}
	return nil
}

// snapshot loads the newest snapshot that is whole.
func (r *recovery) snapshot() error {
	files, err := Snapshots(r.d.FS, r.d.Snap)
	if err != nil {
		return err
	}
	tries := 0
	for _, f := range slices.Backward(files) {
		if reason := snapshotInvalid(r.d.FS, f.Path); reason != nil {
			r.report.Skipped = append(r.report.Skipped, SkippedSnapshot{f.Path, reason})
			continue
		}
		if tries++; tries > maxSnapshotTries {
			return fmt.Errorf("none of the newest %d snapshots in %s could be loaded: %w", maxSnapshotTries, r.d.Snap, r.skipped())
		}
		size := int64(0)
		if info, err := r.d.FS.Stat(f.Path); err == nil {
			size = info.Size
		}
		info, err := readSnapshot(r.d.FS, f.Path, r.opts.Limits, r.target, r.opts.ReadAhead, func(bytes int64, nodes int) {
			r.target.Progress(Progress{File: f.Path, Done: bytes, Size: size, Count: nodes})
		})
		if err != nil {
			r.report.Skipped = append(r.report.Skipped, SkippedSnapshot{f.Path, err})
			r.target.Reset()
			continue
		}
		r.report.Snapshot = info
		r.report.LastZxid = info.Zxid
		r.fellBack(info.Zxid)
		if r.opts.ReadAhead {
			r.opening = make(chan openedTxns, 1)
			go func() { r.opening <- r.open(info.Zxid + 1) }()
		}
		return r.target.Loaded(info)
	}
	if tries > 0 {
		return fmt.Errorf("no snapshot in %s could be loaded: %w", r.d.Snap, r.skipped())
	}
	return nil
}

// fellBack notes what must be reached from an older snapshot.
func (r *recovery) fellBack(zxid int64) {
	for _, s := range r.report.Skipped {
		if z, _ := SnapshotZxid(path.Base(s.Path)); z > max(zxid, r.skippedZxid) && (counterOf(z) != 0 || r.knew(epochOf(z))) {
			r.skippedZxid = z
		}
	}
}

// knew reports whether this server has taken part in an epoch. A snapshot of
// its beginning, which no transaction has, most likely came from its leader
// then: it was complete when currentEpoch was written, and what it holds may
// be in no log, though the logs behind it fit those before. Before that it may
// have been torn while it was written, and older state is as good.
func (r *recovery) knew(epoch int64) bool {
	current, ok, err := r.d.ReadEpoch(CurrentEpoch)
	return epoch > 0 && (err != nil || ok && current >= epoch)
}

// noSnapshot refuses to start from logs alone.
func (r *recovery) noSnapshot() error {
	err := fmt.Errorf("there are transaction logs in %s but no snapshot in %s that could be loaded: something is missing; "+
		"restore the snapshots, or, if this server was upgraded from a version before 3.5 and never wrote one, "+
		"start once with zookeeper.snapshot.trust.empty=true", r.d.Log, r.d.Snap)
	if len(r.report.Skipped) > 0 {
		return fmt.Errorf("%w; the newest snapshot: %w", err, r.skipped())
	}
	return err
}

// skipped returns why the newest snapshot could not be used.
func (r *recovery) skipped() error { return r.report.Skipped[0].Err }

// lost refuses to take a directory for empty whose snapshots are all torn.
// Only that of a server that had nothing yet (snapshot.0) is no loss.
func (r *recovery) lost() error {
	for _, s := range r.report.Skipped {
		if zxid, _ := SnapshotZxid(path.Base(s.Path)); zxid != 0 {
			return fmt.Errorf("no snapshot in %s could be loaded: %w", r.d.Snap, s.Err)
		}
	}
	return nil
}

// replay applies every transaction behind the snapshot of zxid.
func (r *recovery) replay(zxid int64) error {
	var o openedTxns
	if r.opening != nil {
		o, r.opening = <-r.opening, nil
	} else {
		o = r.open(zxid + 1)
	}
	t, err := o.t, o.err
	if err != nil {
		return err
	}
	defer t.Close()
	if err = r.applyAll(&o, zxid); err == nil {
		err = r.covered()
	}
	r.report.LogFiles, r.report.LogBytes = t.Files, t.Bytes
	r.report.Torn = t.Torn
	r.report.Notes = append(r.report.Notes, t.Notes...)
	if err != nil || r.opts.ReadOnly {
		return err
	}
	if err := r.cut(t); err != nil {
		return err
	}
	return r.settle(t.where)
}

// settle makes the last log that was replayed durable. A process that was
// killed leaves records behind that it had not synced; they are part of the
// history from now on, and if the power failed later they would be missing
// below transactions that this server has acknowledged.
func (r *recovery) settle(name string) error {
	if name == "" {
		return nil
	}
	f, err := r.d.FS.OpenWrite(name)
	if err == nil {
		err = f.Sync()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err == nil {
		err = r.d.FS.SyncDir(r.d.Log)
	}
	if err != nil {
		return fmt.Errorf("make the recovered log %s durable: %w", name, err)
	}
	return nil
}

// applyAll applies what there is.
func (r *recovery) applyAll(o *openedTxns, zxid int64) error {
	t, e, err := o.t, o.first, o.next
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = r.first(e, t, zxid)
	}
	if err != nil {
		return err
	}
	name, _ := t.File()
	if err := r.apply(e, name); err != nil {
		return err
	}
	var a *ahead
	s := &stretch{}
	if r.opts.ReadAhead {
		a = readAhead(t)
		defer a.end()
	}
	for {
		if a != nil {
			s = <-a.full
		} else {
			s.fill(t)
		}
		for i := range s.entries {
			if r.seer != nil && i%foresight == 0 {
				for j := i; j < min(i+foresight, len(s.entries)); j++ {
					r.seer.Foresee(&s.entries[j].Header, s.entries[j].Body)
				}
			}
			if err := r.apply(&s.entries[i], s.files[i]); err != nil {
				return err
			}
		}
		if r.report.Txns/tellEach != (r.report.Txns-len(s.entries))/tellEach {
			r.target.Progress(Progress{File: s.file, Done: s.done, Size: s.size, Count: r.report.Txns, Log: true})
		}
		if s.err == io.EOF {
			return nil
		}
		if s.err != nil {
			return s.err
		}
		if a != nil {
			a.empty <- s
		}
	}
}

// foresight is how many transactions are announced to a Foreseer at a time.
const foresight = 16

// tellEach is after how many transactions the target is told how far it is.
const tellEach = 1 << 14

// apply applies one transaction of a file.
func (r *recovery) apply(e *Entry, file string) error {
	r.reached = r.reached || e.Header.Zxid == r.skippedZxid
	if err := r.target.Apply(&e.Header, e.Body, e.Digest); err != nil {
		return fmt.Errorf("%s, transaction 0x%x at offset %d: %w", file, e.Header.Zxid, e.Offset, err)
	}
	r.report.Txns++
	r.report.LastZxid = max(r.report.LastZxid, e.Header.Zxid)
	return nil
}

// first looks at the first transaction behind a snapshot. Apache's server
// does not mind a gap there, but it does mind a log before that cannot be
// read to its end.
func (r *recovery) first(e *Entry, t *Txns, zxid int64) error {
	next := e.Header.Zxid
	if r.report.Snapshot == nil || epochOf(next) != epochOf(zxid) || next == zxid+1 {
		return nil
	}
	name, _ := t.File()
	gap := &GapError{File: name, Offset: e.Offset, Prev: zxid, Next: next, Before: "the last one of " + path.Base(r.report.Snapshot.Path)}
	if n := len(t.Torn); n > 0 {
		gap.Torn = t.Torn[n-1]
		return gap
	}
	r.report.Notes = append(r.report.Notes, gap.Error())
	return nil
}

// covered refuses an older snapshot whose logs do not lead up to a newer one
// that could not be used: what they miss, a purge for example, had been
// acknowledged. The transaction of a snapshot is always logged, but for the
// zxid with which a new leader begins.
func (r *recovery) covered() error {
	if r.skippedZxid == 0 || r.reached {
		return nil
	}
	err := r.skipped()
	var damage *DamageError
	if errors.As(err, &damage) {
		bare := *damage
		bare.Remedy = "" // taking the file away would lose what it holds
		err = &bare
	}
	return fmt.Errorf("%w; %s and the logs behind it do not lead up to its transaction 0x%x; "+
		"restore it, or those logs, from a backup or another server", err, path.Base(r.report.Snapshot.Path), r.skippedZxid)
}

// cut removes the torn record at the end of the last log. What is left
// without a single transaction is deleted.
func (r *recovery) cut(t *Txns) error {
	if t.Last == nil {
		return nil
	}
	name, off := t.Last.File, t.Last.Offset
	if off <= logHeaderSize {
		if err := r.d.FS.Remove(name); err != nil {
			return fmt.Errorf("remove a log without transactions: %w", err)
		}
		r.report.Removed = append(r.report.Removed, name)
		return r.d.FS.SyncDir(r.d.Log)
	}
	if err := truncateFile(r.d.FS, name, off); err != nil {
		return fmt.Errorf("cut off the torn end of %s at offset %d: %w", name, off, err)
	}
	return nil
}

// truncateFile durably sets the size of a file.
func truncateFile(fs vfs.FS, name string, size int64) error {
	f, err := fs.OpenWrite(name)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// snapshotInvalid returns why a file is not even worth reading as a snapshot,
// or nil (SnapStream.isValidSnapshot).
func snapshotInvalid(fs vfs.FS, name string) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	const minSize = 10
	bad := func(reason string) error {
		return &DamageError{File: name, Reason: reason, Remedy: snapshotRemedy}
	}
	if size < minSize {
		return bad(fmt.Sprintf("it has only %d bytes", size))
	}
	want, at := terminator, size-int64(len(terminator))
	switch compressionOf(name) {
	case Gzip:
		want, at = []byte{0x1f, 0x8b}, 0
	case Snappy:
		want, at = snappyMagic, 0
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(got) != string(want) {
		if at == 0 {
			return bad("it does not begin as a compressed snapshot does")
		}
		return bad("it does not end as a snapshot does: it was not written to its end")
	}
	return nil
}
