package sim

import (
	"fmt"
	"path"
	"slices"

	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// checkTurn looks at the server after each turn.
func (s *server) checkTurn() {
	w, m := s.w, s.w.model
	watches := 0
	for _, c := range s.conns {
		if c == nil {
			continue
		}
		c.stream.settled()
		if !c.stream.gone {
			watches += c.stream.entries()
			if owes := c.shipped - c.answered; owes == 0 && len(c.stream.expect) > 0 && len(s.inbox) == 0 {
				w.fail("I2", "the core counts %d requests as answered, but %v is not", c.answered, c.stream.expect[0].req)
			}
		}
	}
	t := s.r.Tree()
	switch {
	case s.r.Proposed() != m.last():
		w.fail("I4", "the newest zxid is 0x%x, expected 0x%x", s.r.Proposed(), m.last())
	case t.LastZxid() != m.applied:
		w.fail("I4", "the tree is at 0x%x, expected 0x%x", t.LastZxid(), m.applied)
	case s.r.Outstanding() != int(m.last()-m.applied):
		w.fail("I4", "%d transactions are in flight, expected %d", s.r.Outstanding(), m.last()-m.applied)
	case s.r.Stats().DigestMismatches > 0:
		w.fail("I5", "the digest of the tree is not the one foretold")
	case t.WatchCount() != watches:
		w.fail("I3", "the tree holds %d watches, the connections have %d", t.WatchCount(), watches)
	}
	if w.chance(25) {
		s.checkTree()
	}
}

// checkTree compares the server as it is with the model.
func (s *server) checkTree() { s.compare(s.r, s.w.model.applied, "state", "while serving") }

// compare compares all znodes with the model as of a zxid; invariant is the
// one that a difference breaks.
func (s *server) compare(r *replica.Replica, zxid int64, invariant, when string) {
	w, m, t := s.w, s.w.model, r.Tree()
	if t.LastZxid() != zxid {
		w.fail(invariant, "%s: the tree is at 0x%x, expected 0x%x", when, t.LastZxid(), zxid)
	}
	live := m.live(zxid)
	for _, path := range live {
		n := m.at(path, zxid)
		ref := t.Lookup([]byte(path))
		if ref == 0 {
			w.fail(invariant, "%s at 0x%x: %s is missing", when, zxid, path)
		}
		var st wire.StatPersisted
		t.Persisted(ref, &st)
		data := t.Data(ref)
		switch {
		case st != n.stat:
			w.fail(invariant, "%s at 0x%x: %s has %+v, expected %+v", when, zxid, path, st, n.stat)
		case string(data) != string(n.data) || (data == nil) != (n.data == nil):
			w.fail(invariant, "%s at 0x%x: %s holds %x, expected %x", when, zxid, path, data, n.data)
		case string(t.ACL(ref)) != n.acl:
			w.fail(invariant, "%s at 0x%x: %s has the ACL %x, expected %x", when, zxid, path, t.ACL(ref), n.acl)
		case int(t.NumChildren(ref)) != len(n.kids):
			w.fail(invariant, "%s at 0x%x: %s has %d children, expected %v", when, zxid, path, t.NumChildren(ref), n.kids)
		}
	}
	if t.NodeCount() != len(live)+1 {
		w.fail(invariant, "%s at 0x%x: %d znodes, expected %d: something was not refused", when, zxid, t.NodeCount()-1, len(live))
	}
	if want := m.digestAt(zxid); m.digests && t.Digest() != want {
		w.fail("I5", "%s at 0x%x: the digest is %x, expected %x", when, zxid, t.Digest(), want)
	}
}

// compareSessions compares the sessions, and what they own, with the model as
// of a zxid; the replica must have nothing in flight.
func (s *server) compareSessions(r *replica.Replica, zxid int64, invariant, when string) {
	w, m := s.w, s.w.model
	var got, want []string
	r.Sessions(func(v replica.SessionView) {
		var owned []string
		r.Tree().EphemeralPaths(v.ID, func(p []byte) bool {
			owned = append(owned, string(p))
			return true
		})
		slices.Sort(owned)
		got = append(got, fmt.Sprintf("0x%x timeout %d owns %v", v.ID, v.Timeout, owned))
	})
	for _, x := range m.sessionsAt(zxid) {
		want = append(want, fmt.Sprintf("0x%x timeout %d owns %v", x.id, x.stored, m.ephemerals(x.id, zxid)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.fail(invariant, "%s at 0x%x: sessions\n%q, expected\n%q", when, zxid, got, want)
	}
	if n := len(r.Tree().EphemeralSessions()); n > len(want) {
		w.fail(invariant, "%s at 0x%x: %d sessions own ephemerals, and %d are alive", when, zxid, n, len(want))
	}
}

// checkSnapshot loads a snapshot alone: it has to hold exactly what its name
// says (I6).
func (s *server) checkSnapshot(info *storage.SnapshotInfo) {
	w := s.w
	zxid := info.Zxid
	if zxid > w.model.last() {
		w.fail("I6", "%s is from the future", info.Path)
	}
	r := replica.New(s.cfg)
	t := r.Restore()
	t.Reset()
	read, err := storage.ReadSnapshot(w.disk.mem, info.Path, storage.Limits{}, t)
	if err == nil {
		err = t.SnapshotDone(zxid)
	}
	if err != nil {
		w.fail("I6", "%s cannot be loaded: %v", info.Path, err)
	}
	r.Install(t)
	s.compare(r, zxid, "I6", info.Path)
	s.compareSessions(r, zxid, "I6", info.Path)
	tail := read.Tail
	if w.prof.digest && (tail.DigestZxid != zxid || uint64(tail.Digest) != w.model.digestAt(zxid)) {
		w.fail("I6", "%s has the digest %x of 0x%x, expected %x", info.Path, tail.Digest, tail.DigestZxid, w.model.digestAt(zxid))
	}
}

// checkKept looks whether each snapshot that a purge is to keep leads up to the
// present with the logs that it has kept: the newer ones might turn out to be
// damaged one day. Older ones may lie about: a crash can undo their removal.
func (s *server) checkKept() {
	w := s.w
	snaps, err := storage.Snapshots(w.disk.mem, s.dirs.Snap)
	if err != nil {
		w.fail("purge", "%v", err)
	}
	for i, snap := range snaps {
		if i < len(snaps)-w.prof.retain || snap.Path == w.disk.rotten {
			continue
		}
		var newer []string
		for _, x := range snaps[i+1:] {
			newer = append(newer, path.Base(x.Path))
		}
		dirs := storage.FindDirs(hiding{w.disk.mem, newer}, s.dirs.Data, s.dirs.DataLog)
		r := replica.New(s.cfg)
		t := &restorer{Restore: r.Restore(), s: s}
		if _, err := storage.Recover(dirs, storage.RecoverOptions{ReadOnly: true}, t); err != nil {
			w.fail("purge", "what is left cannot be recovered from %s: %v", snap.Path, err)
		}
		r.Install(t.Restore)
		at := r.Tree().LastZxid()
		if at < w.model.applied || at > w.model.last() {
			w.fail("purge", "what is left leads from %s up to 0x%x, and 0x%x is durable", snap.Path, at, w.model.applied)
		}
		s.compare(r, at, "purge", "from "+snap.Path)
	}
}

// hiding is a file system without some files.
type hiding struct {
	vfs.FS
	names []string
}

// List implements vfs.FS.
func (h hiding) List(dir string) ([]string, error) {
	names, err := h.FS.List(dir)
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(h.names, n) }), err
}
