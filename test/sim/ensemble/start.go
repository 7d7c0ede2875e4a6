package ensemble

import (
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/vfs"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// restorer is the target of a recovery.
type restorer struct{ *replica.Restore }

// Loaded implements storage.Target.
func (t *restorer) Loaded(i *storage.SnapshotInfo) error { return t.SnapshotDone(i.Zxid) }

// Progress implements storage.Target.
func (t *restorer) Progress(storage.Progress) {}

// start begins a process on what the disk holds.
func (w *world) start(s *server) {
	if s.life != nil {
		return
	}
	for _, ch := range w.channelsOf(s.id) {
		ch.sever()
	}
	l := &life{w: w, s: s, conns: make([]*conn, 1), lastVote: map[int64]wire.Notification{}, began: w.now}
	s.life = l
	if !w.calm && w.chance(w.prof.bootCrash) {
		s.disk.cutIn = 1 + w.rng.IntN(60)
	}
	alive := l.guard(func() {
		if err := l.boot(); err != nil {
			l.bad(err, "recovery", "it refuses to start")
		}
	})
	s.disk.cutIn = 0
	if !alive {
		w.comeBack(s)
		return
	}
	w.met("start")
	l.after(0, l.tick)
	l.put(replica.Event{Kind: replica.Tick})
}

// boot recovers what the disk holds and makes the core.
func (l *life) boot() error {
	logDir := ""
	if l.w.prof.twoDirs {
		logDir = dataLogDir
	}
	dirs, err := storage.OpenDirs(l.s.disk.fs, dataDir, logDir, true)
	if err != nil {
		return err
	}
	l.dirs = dirs
	current, next, err := l.loadConfig()
	if err != nil {
		return err
	}
	l.members = current
	l.cfg = l.s.config(current, next)
	t := &restorer{replica.NewRestore(l.cfg)}
	report, err := storage.Recover(dirs, storage.RecoverOptions{AutoCreate: !l.s.wiped, ReadOnly: l.w.mutant(recoverUnsynced)}, t)
	if err != nil {
		return err
	}
	accepted, entered, err := storage.LoadEpochs(dirs, report.LastZxid)
	if err != nil {
		return err
	}
	if l.w.mutant(forgetAccepted) {
		accepted = zab.EpochOf(report.LastZxid)
	}
	if l.w.mutant(forgetCurrent) {
		entered = zab.EpochOf(report.LastZxid)
	}
	l.cfg.Ensemble.AcceptedEpoch, l.cfg.Ensemble.CurrentEpoch = accepted, entered
	l.r = replica.New(l.cfg)
	l.r.Install(t.Restore)
	l.cfg.Ensemble.Uninitialised = report.LastZxid < 0
	if report.Empty && report.LastZxid == 0 {
		j := &snapshotJob{snap: l.r.Cut()}
		for done := false; !done; {
			if done, err = l.snapshotStep(j); err != nil {
				return err
			}
		}
	}
	l.r.Start(l.clock())
	l.log = l.openLog()
	l.w.trace("%d: starts at 0x%x, epochs %d %d, %d transactions, torn %v", l.s.id, report.LastZxid, accepted, entered, report.Txns, report.Torn)
	if t.Mismatches > 0 {
		l.w.fail("I5", "server %d: %d transactions of the log have another digest than the tree", l.s.id, t.Mismatches)
	}
	l.w.truth.recovered(l, report)
	return nil
}

// powerOff crashes the machine: what was not synced is lost, or torn.
func (s *server) powerOff() {
	if s.life == nil {
		return
	}
	s.w.trace("%d: power off", s.id)
	s.w.met("power off")
	silent := s.w.chance(2)
	s.end(silent)
	s.disk.use(s.disk.mem.CrashClone(s.w.rng.Uint64()))
}

// cannotGoBack is what a process panics with that is told to go back to where it
// never was.
type cannotGoBack struct{}

// wipe is what such an error asks the operator for: the server begins anew and
// has no vote until it has the leader's data. What it has promised stays.
func (s *server) wipe() {
	accepted, _, err := s.life.dirs.ReadEpoch(storage.AcceptedEpoch)
	if err != nil {
		s.w.fail("epochs", "server %d: %v", s.id, err)
	}
	s.kill()
	s.disk.use(vfs.NewMem())
	s.wiped, s.held, s.cutTo = true, 0, -1
	dirs, err := storage.OpenDirs(s.disk.fs, dataDir, "", true)
	if err == nil {
		err = dirs.WriteEpoch(storage.AcceptedEpoch, accepted)
	}
	if err != nil {
		s.w.fail("disk", "server %d: %v", s.id, err)
	}
	dirs.Close()
	s.w.comeBack(s)
}

// stop ends the process as an operator does: everything that waits for the disk
// is done first.
func (l *life) stop() {
	l.w.met("clean stop")
	alive := true
	for len(l.queue) > 0 && alive {
		if l.queue[0].Op != replica.Append {
			rec := l.queue[0]
			l.queue = l.queue[1:]
			l.perform(&rec)
			alive = l.s.life == l
			continue
		}
		rec := l.queue[0]
		l.queue = l.queue[1:]
		if alive = l.guard(func() { l.append(&rec) }); alive {
			l.commit([]queued{rec})
			alive = l.s.life == l
		}
	}
	if alive {
		l.s.kill()
	}
}

// kill ends the process: files stay as they are, synced or not.
func (s *server) kill() {
	if s.life == nil {
		return
	}
	s.w.trace("%d: killed", s.id)
	s.w.met("kill")
	s.end(false)
	s.disk.use(s.disk.mem)
}

// end takes the process away: with a word to those that are connected, as a
// kernel does for a process that is gone, or silently.
func (s *server) end(silent bool) {
	l := s.life
	s.life = nil
	if l.dirs != nil {
		l.dirs.Close()
	}
	for _, e := range append([]*end(nil), l.links...) {
		if silent {
			e.vanish()
		} else {
			e.close("the process is gone")
		}
	}
	for _, c := range l.conns {
		if c != nil {
			c.lost(silent)
		}
	}
	for _, ch := range s.w.channelsOf(s.id) {
		if ch.up && silent {
			ch.pipes[0].dead, ch.pipes[1].dead = true, true
			lives := ch.lives
			s.w.after(s.w.upTo(20*s.w.prof.tick), func() {
				if ch.lives == lives {
					ch.sever()
				}
			})
		} else {
			ch.sever()
		}
	}
}
