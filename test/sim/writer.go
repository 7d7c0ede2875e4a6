package sim

import (
	"bytes"
	"encoding/binary"
	"slices"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/storage"
)

// writeLog is one step of the disk writer: it takes a batch, writes one of its
// records, or commits them all and says so.
func (s *server) writeLog() {
	before := s.w.disk.injected
	if len(s.batch) == 0 {
		n := 1 + s.w.rng.IntN(len(s.queue))
		s.batch, s.queue, s.written = slices.Clone(s.queue[:n]), s.queue[n:], 0
		if n > 1 && s.w.mutant(outOfOrder) && s.w.chance(20) {
			s.batch[0], s.batch[1] = s.batch[1], s.batch[0]
		}
		if s.w.mutant(ackBeforeSync) {
			s.durable()
		}
	}
	for s.written < len(s.batch) {
		rec := &s.batch[s.written]
		s.intact(rec)
		if err := s.write(rec); err != nil {
			s.logFailed(before, err)
			return
		}
		s.written++
		if s.w.chance(3) {
			return
		}
	}
	if _, err := s.log.Commit(); err != nil {
		s.logFailed(before, err)
		return
	}
	for i := range s.batch {
		s.intact(&s.batch[i])
	}
	s.w.met("group commit")
	if !s.w.mutant(ackBeforeSync) {
		s.durable()
	}
	s.batch = nil
}

// durable tells the core what is.
func (s *server) durable() {
	zxid := s.batch[len(s.batch)-1].Zxid
	if n := len(s.queue); n > 0 && s.w.mutant(ackTheQueue) {
		zxid = s.queue[n-1].Zxid
	}
	s.inbox = append(s.inbox, item{event: replica.Event{Kind: replica.Durable, Zxid: zxid}})
}

func (s *server) write(rec *replica.Record) error {
	if rec.Roll {
		s.w.met("log rolled")
		s.w.disk.skipSync = s.w.mutant(rollNotSynced)
		err := s.log.Roll()
		s.w.disk.skipSync = false
		if err != nil {
			return err
		}
	}
	return s.log.Append(rec.Zxid, rec.Entry)
}

// logFailed ends the server: nothing more may be acknowledged, and the log
// must refuse to go on even when the disk is well again (I7).
func (s *server) logFailed(before int, err error) {
	w := s.w
	w.disk.blame(before, "I7", err)
	w.trace("the log failed: %v", err)
	w.met("server stopped by a failed log")
	w.disk.fault = nil
	if w.mutant(goOn) {
		s.log = storage.OpenLog(w.disk.fs, s.dirs.Log, s.logOptions())
		s.durable()
		s.batch = nil
		return
	}
	if _, err := s.log.Commit(); err == nil {
		w.fail("I7", "the log takes a commit after it failed")
	}
	if err := s.log.Append(w.model.last()+1, make([]byte, 64)); err == nil {
		w.fail("I7", "the log takes a record after it failed")
	}
	if err := s.log.Close(); err == nil {
		w.fail("I7", "the log closes well after it failed")
	}
	if w.chance(2) {
		w.kill()
	} else {
		w.powerOff()
	}
}

func (s *server) logOptions() storage.LogOptions {
	return storage.LogOptions{PreAlloc: s.w.prof.preAlloc, SizeLimit: s.w.prof.sizeLimit}
}

// snapshotJob is a snapshot under way.
type snapshotJob struct {
	snap *replica.Snapshot
	out  *storage.SnapshotWriter
	part int
	buf  []byte
}

func (s *server) startSnapshot(snap *replica.Snapshot) {
	if s.job != nil {
		s.w.fail("I6", "a snapshot began while another is under way")
	}
	if snap.Zxid != s.w.model.applied {
		s.w.fail("I6", "the snapshot is named 0x%x and 0x%x is applied", snap.Zxid, s.w.model.applied)
	}
	s.w.trace("snapshot 0x%x begins", snap.Zxid)
	s.job = &snapshotJob{snap: snap}
}

// writeSnapshot is one step of the snapshot under way.
func (s *server) writeSnapshot() {
	j, before := s.job, s.w.disk.injected
	done, err := s.snapshotStep(j)
	if err != nil {
		s.w.disk.blame(before, "I6", err)
		s.w.trace("snapshot failed: %v", err)
		s.w.met("snapshot given up")
		if j.out != nil {
			j.out.Abort()
		}
		j.snap.Walk.Abort()
	}
	if done || err != nil {
		s.job = nil
		s.inbox = append(s.inbox, item{event: replica.Event{Kind: replica.SnapshotDone}})
	}
}

func (s *server) snapshotStep(j *snapshotJob) (done bool, err error) {
	j.part++
	switch j.part {
	case 1:
		zxid := j.snap.Zxid
		if s.w.mutant(snapshotTooNew) && !s.recovering {
			zxid = s.r.Proposed()
		}
		j.out, err = storage.NewSnapshotWriter(s.w.disk.fs, s.dirs.Snap, zxid,
			storage.SnapshotOptions{Compression: s.w.prof.compression, SyncEach: s.w.prof.syncEach})
		return false, err
	case 2:
		_, err = j.out.Write(sortSessions(j.snap.Sessions))
		return false, err
	case 3:
		_, err = j.out.Write(j.snap.ACLs)
		if s.w.mutant(snapshotNotExact) {
			j.snap.Walk.Abort()
			j.snap.Walk = s.r.Cut().Walk
		}
		return false, err
	}
	j.buf, done = j.snap.Walk.Next(j.buf[:0], s.w.prof.walkTurn)
	if _, err = j.out.Write(j.buf); err != nil || !done {
		return false, err
	}
	info, err := j.out.Finish(storage.SnapshotTail{
		HasDigest: s.w.prof.digest, DigestZxid: j.snap.Zxid, Digest: int64(j.snap.Digest),
		HasLastZxid: s.w.prof.lastZxid, LastZxid: j.snap.Zxid,
	})
	if err != nil {
		return false, err
	}
	s.w.trace("snapshot written: %s", info.Path)
	s.w.met("snapshot written")
	s.checkSnapshot(info)
	return true, nil
}

// sortSessions puts the sessions of a snapshot in the order of their ids: the
// core's order is that of a map, and would make two runs of a seed differ.
func sortSessions(b []byte) []byte {
	const size = 12
	var all [][]byte
	for at := 4; at < len(b); at += size {
		all = append(all, b[at:at+size])
	}
	slices.SortFunc(all, func(x, y []byte) int {
		return int(int64(binary.BigEndian.Uint64(x)) - int64(binary.BigEndian.Uint64(y)))
	})
	return append(jute.AppendInt(nil, int32(len(all))), bytes.Join(all, nil)...)
}

// purge deletes old files.
func (s *server) purge() {
	if s.w.mutant(purgeTooMuch) {
		logs, _ := storage.Logs(s.w.disk.fs, s.dirs.Log)
		for i := 0; i < len(logs)-1; i++ {
			s.w.disk.fs.Remove(logs[i].Path)
		}
	}
	before := s.w.disk.injected
	removed, err := storage.Purge(s.dirs, s.w.prof.retain)
	if err != nil {
		s.w.disk.blame(before, "purge", err)
	}
	if err == nil {
		s.checkKept()
	}
	s.w.count("file purged", len(removed))
	s.w.trace("purged %v", removed)
}
