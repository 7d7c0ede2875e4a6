package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"zooid/internal/wire"
)

// TakenBack says what TakeBack or DropBehind has done, also when an error
// ended it early.
type TakenBack struct {
	Snapshots []string // deleted, in this order
	Logs      []string
	Cut       string // the log that lost its end, "" for none
	// Left are snapshots that DropBehind could not delete yet.
	Left []string
}

// TakeBackError says that a server cannot go back to a transaction. No file
// has been changed.
type TakeBackError struct {
	Zxid   int64
	Reason string
	Err    error // the cause, if there is one
}

// Error implements error.
func (e *TakeBackError) Error() string {
	s := fmt.Sprintf("cannot take back what is behind 0x%x: %s", e.Zxid, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; move version-2 away and let this server copy everything from the leader"
}

// Unwrap returns the cause.
func (e *TakeBackError) Unwrap() error { return e.Err }

// TakeBack brings the files back to transaction zxid, which they must hold, as
// a leader asks by TRUNC of a learner that has logged what was never
// committed. It does what Truncate does, and deletes the snapshots of later
// transactions, which would bring back at the next start what was taken back;
// Apache's server leaves them. Before that it makes sure that the newest
// snapshot left is whole and that the logs lead from it to zxid without a gap:
// if not it is a *TakeBackError and nothing has changed. A crash on the way
// leaves an earlier state of the history up to now, and calling it again does
// the rest.
//
// The Log must have been closed, and no snapshot may be being written.
// Afterwards Recover gives the state as of zxid, and a new Log goes on.
func TakeBack(d *Dirs, zxid int64, limits Limits) (TakenBack, error) {
	var report TakenBack
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return report, err
	}
	stay := snapshotsUpTo(snaps, zxid)
	c, err := planCut(d, zxid, limits)
	if err != nil {
		return report, err
	}
	// As long as no snapshot goes, the next start takes the same way as the
	// last did, to zxid if it comes by there.
	if stay < len(snaps) || c.last != zxid {
		if err := d.leadsTo(zxid, snaps[:stay], limits); err != nil {
			return report, err
		}
	}
	err = c.carryOut(snaps[stay:], &report)
	return report, err
}

// snapshotsUpTo returns how many of the snapshots are not later than zxid.
func snapshotsUpTo(snaps []NamedFile, zxid int64) int {
	n, _ := slices.BinarySearchFunc(snaps, zxid, func(s NamedFile, zxid int64) int {
		if s.Zxid <= zxid {
			return -1
		}
		return 1
	})
	return n
}

// leadsTo checks that Recover will get to zxid from one of the snapshots.
func (d *Dirs) leadsTo(zxid int64, snaps []NamedFile, limits Limits) error {
	var broken error
	for _, s := range slices.Backward(snaps) {
		err := snapshotInvalid(d.FS, s.Path)
		if err == nil {
			_, err = ReadSnapshot(d.FS, s.Path, limits, nowhere{})
		}
		var damage *DamageError
		if err != nil && !errors.As(err, &damage) {
			return err
		}
		if err != nil {
			broken = errors.Join(broken, err)
			continue
		}
		if err := d.reaches(s.Zxid, zxid, limits); err != nil {
			var gap *HistoryError
			if errors.As(err, &gap) {
				return &TakeBackError{zxid, "the newest snapshot before it is " + path.Base(s.Path), err}
			}
			return err
		}
		return nil
	}
	return &TakeBackError{zxid, "there is no whole snapshot before it", broken}
}

// reaches checks that the logs lead from the snapshot of from to zxid.
func (d *Dirs) reaches(from, zxid int64, limits Limits) error {
	if from == zxid {
		return nil
	}
	h, err := d.openHistory(from, zxid, true, limits)
	if err != nil {
		return err
	}
	defer h.close()
	for h.prev != zxid {
		if _, err := h.next(); err != nil {
			return err
		}
	}
	return nil
}

// nowhere is a sink for what is only checked.
type nowhere struct{}

func (nowhere) Session(int64, int32)                                  {}
func (nowhere) ACL(int64, []byte)                                     {}
func (nowhere) Node([]byte, []byte, int64, *wire.StatPersisted) error { return nil }

// DropBehind takes back what is behind zxid when a leader has sent a snapshot
// of zxid: there the history ends, whatever this server has logged. zxid need
// not be in the logs, and there need be no logs.
//
// It is called twice. Before the new snapshot is written it deletes the later
// transactions from the logs, which the next start would else apply to that
// snapshot, of whose history they may not be; until then the older snapshots
// hold a beginning of this server's own history. Snapshots later than zxid
// stay: they may be all that it has. They are deleted by the second call, when
// the snapshot of zxid is there; Left says that it is needed. Like TakeBack it
// can be stopped anywhere, and needs the Log closed and no snapshot being
// written.
func DropBehind(d *Dirs, zxid int64, limits Limits) (TakenBack, error) {
	var report TakenBack
	c, err := planCut(d, zxid, limits)
	if err != nil {
		return report, err
	}
	if err := c.carryOut(nil, &report); err != nil {
		return report, err
	}
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return report, err
	}
	stay := snapshotsUpTo(snaps, zxid)
	if stay == len(snaps) {
		return report, nil
	}
	whole := false
	for i := stay - 1; i >= 0 && snaps[i].Zxid == zxid && !whole; i-- {
		if whole, err = worthKeeping(d.FS, snaps[i].Path); err != nil {
			return report, err
		}
	}
	if !whole {
		for _, s := range snaps[stay:] {
			report.Left = append(report.Left, s.Path)
		}
		return report, nil
	}
	err = c.remove(d.Snap, snaps[stay:], &report.Snapshots)
	return report, err
}
