package sim

import (
	"slices"
	"strconv"
	"strings"

	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
)

// The directories of the server.
const (
	dataDir    = "/data"
	dataLogDir = "/datalog"
)

// boot starts the server on what the disk holds. A crash may come while it
// recovers.
func (w *world) boot() {
	w.pass(1 + w.rng.Int64N(100))
	if w.calm || w.chance(2) {
		w.disk.fault = nil
	}
	w.disk.injected = 0
	if !w.calm && w.chance(w.prof.bootCrash) {
		w.disk.cutIn = 1 + w.rng.IntN(80)
	}
	if w.prof.rot && w.disk.rotten == "" && w.chance(8) {
		w.disk.rot(w.rng)
	}
	s := &server{w: w, recovering: true, conns: make([]*conn, 1)}
	w.srv = s
	var err error
	w.guard(func() { err = s.start() })
	switch {
	case w.srv == nil:
		w.met("crash during recovery")
	case err != nil:
		if w.disk.injected == 0 {
			w.fail("recovery", "the server refuses to start: %v", err)
		}
		w.trace("start failed: %v", err)
		w.met("start failed on a bad disk")
		w.kill()
		w.disk.fault = nil
	}
}

// start recovers and begins to serve.
func (s *server) start() error {
	w := s.w
	logDir := ""
	if w.prof.twoDirs {
		logDir = dataLogDir
	}
	dirs, err := storage.OpenDirs(w.disk.fs, dataDir, logDir, true)
	if err != nil {
		return err
	}
	s.dirs = dirs
	s.cfg = w.config()
	s.r = replica.New(s.cfg)
	t := &restorer{Restore: s.r.Restore(), s: s}
	report, err := storage.Recover(dirs, storage.RecoverOptions{
		AutoCreate: true, ReadOnly: w.mutant(recoverReadOnly),
	}, t)
	if err != nil {
		return err
	}
	s.r.Install(t.Restore)
	s.checkRecovered(report, t)
	if report.Empty && !w.mutant(noFirstSnapshot) {
		s.job = &snapshotJob{snap: s.r.Cut()}
		for done := false; !done; {
			if done, err = s.snapshotStep(s.job); err != nil {
				s.job.out.Abort()
				return err
			}
		}
		s.job = nil
		if err := dirs.DropMarker(); err != nil {
			return err
		}
	}
	s.started, s.nextTick, s.wallBase = w.mono, w.mono, w.mono+w.skew
	s.recovering = false
	now := s.now()
	if w.mutant(startInThePast) {
		now.Mono -= w.prof.tick * 3 / 2
	}
	s.r.Start(now)
	for _, x := range w.model.sessionsAt(w.model.last()) {
		x.active, x.heard = s.clock().Mono, s.clock().Mono
	}
	s.log = storage.OpenLog(w.disk.fs, dirs.Log, s.logOptions())
	if report.Txns > 0 && w.chance(2) {
		s.ask()
	}
	w.stopped = false
	w.met("start")
	w.trace("serving at 0x%x", w.model.last())
	return nil
}

// restorer is the target of recovery, with the mistakes of the mutants.
type restorer struct {
	*replica.Restore
	s       *server
	dropped bool
	txns    int
}

// Session implements storage.Sink.
func (t *restorer) Session(id int64, timeout int32) {
	if t.s.w.mutant(dropSession) && !t.dropped {
		t.dropped = true
		return
	}
	t.Restore.Session(id, timeout)
}

// Loaded implements storage.Target.
func (t *restorer) Loaded(i *storage.SnapshotInfo) error { return t.SnapshotDone(i.Zxid) }

// Progress implements storage.Target.
func (t *restorer) Progress(storage.Progress) {}

// Apply implements storage.Target.
func (t *restorer) Apply(h *wire.TxnHeader, body []byte, digest *wire.TxnDigest) error {
	t.txns++
	if t.s.w.mutant(skipReplayed) && t.txns == 1 {
		return nil
	}
	return t.Restore.Apply(h, body, digest)
}

// hideOldLogs leaves the newest log only: the mistake of a recovery that
// begins with the log that is named after the snapshot.
func hideOldLogs(names []string) []string {
	begin := func(name string) int64 {
		hex, ok := strings.CutPrefix(name, "log.")
		zxid, err := strconv.ParseInt(hex, 16, 64)
		if !ok || err != nil {
			return -1
		}
		return zxid
	}
	newest := int64(-1)
	for _, name := range names {
		newest = max(newest, begin(name))
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return begin(name) >= 0 && begin(name) < newest
	})
}

// checkRecovered compares what was recovered with what was promised, and cuts
// the model back to it.
func (s *server) checkRecovered(report *storage.Report, t *restorer) {
	w, m := s.w, s.w.model
	at := s.r.Tree().LastZxid()
	w.trace("recovered 0x%x: %d transactions, torn %v, notes %v", at, report.Txns, report.Torn, report.Notes)
	switch {
	case at < m.acked:
		w.fail("acked", "clients have seen 0x%x and 0x%x is what was recovered", m.acked, at)
	case at > m.last():
		w.fail("acked", "0x%x was recovered and 0x%x is the last one there ever was", at, m.last())
	case w.stopped && at != m.last():
		w.fail("acked", "the server was stopped at 0x%x and recovered 0x%x", m.last(), at)
	case report.LastZxid != at:
		w.fail("recovery", "the report says 0x%x, the tree 0x%x", report.LastZxid, at)
	case t.Mismatches > 0:
		w.fail("I5", "%d transactions of the log have another digest than the tree", t.Mismatches)
	case len(report.Skipped) > 0 && w.disk.injected == 0 && report.Skipped[0].Path != w.disk.rotten:
		w.fail("I9", "a snapshot cannot be read: %v", report.Skipped[0])
	case len(report.Notes) > 0:
		w.fail("recovery", "%v", report.Notes)
	}
	if len(report.Torn) > 0 {
		w.met("torn log cut")
	}
	if len(report.Skipped) > 0 {
		w.met("older snapshot used")
	}
	if at < m.last() {
		w.met("unacknowledged transactions lost")
	}
	if at > m.applied {
		w.met("unacknowledged transactions kept")
	}
	w.trail([]byte{byte(at), byte(at >> 8), byte(report.Txns), byte(len(report.Torn))})
	s.compare(s.r, at, "recovery", "after recovery")
	m.cut(at)
	s.compareSessions(s.r, at, "recovery", "after recovery")
}
