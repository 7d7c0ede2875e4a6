package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Found says how the logs help a learner (FindSync).
type Found struct {
	// Cut is what the learner has to cut its log to first, 0 for nothing: it
	// holds transactions that are not in these logs.
	Cut int64
	// From is the zxid behind which transactions are to be sent.
	From int64
}

// FindSync looks for what a learner lacks whose log ends with peer, up to the
// transaction lowest, which must be in the logs as well
// (LearnerHandler.syncFollower with ZKDatabase.getProposalsFromTxnLog). The
// logs that it needs, without the one that holds peer, may have at most
// sizeLimit bytes. An error says why the logs do not help.
func FindSync(d *Dirs, peer, lowest, sizeLimit int64, limits Limits) (Found, error) {
	files, err := Logs(d.FS, d.Log)
	if err != nil {
		return Found{}, err
	}
	at := -1
	for i, f := range files {
		if f.Zxid <= peer {
			at = i
		}
	}
	if at < 0 {
		return Found{}, fmt.Errorf("the oldest log begins behind 0x%x", peer)
	}
	var needed int64
	for _, f := range files[at+1:] {
		info, err := d.FS.Stat(f.Path)
		if err != nil {
			return Found{}, err
		}
		needed += info.Size
	}
	if needed > sizeLimit {
		return Found{}, fmt.Errorf("the logs have %d bytes, more than snapshotSizeFactor allows: %d", needed, sizeLimit)
	}
	return findIn(d, files[at].Zxid, peer, lowest, limits)
}

// findIn walks the logs from the one that begins with first.
func findIn(d *Dirs, first, peer, lowest int64, limits Limits) (Found, error) {
	t, err := OpenTxns(d.FS, d.Log, first, limits)
	if err != nil {
		return Found{}, err
	}
	defer t.Close()
	found, decided, prev := Found{From: peer}, false, int64(0)
	for {
		e, err := t.Next()
		if err == io.EOF {
			return Found{}, fmt.Errorf("the logs end at 0x%x, before 0x%x", prev, lowest)
		}
		if err != nil {
			return Found{}, err
		}
		zxid := e.Header.Zxid
		switch {
		case decided || zxid < peer:
		case zxid == peer || peer&0xffffffff == 0:
			decided = true
		case epochOf(zxid) != epochOf(peer):
			return Found{}, fmt.Errorf("the learner's 0x%x is not in the logs, and what follows is of another epoch", peer)
		case prev == 0:
			return Found{}, fmt.Errorf("the learner's 0x%x stands before the logs", peer)
		default:
			decided, found = true, Found{Cut: prev, From: prev}
		}
		if zxid >= lowest {
			if !decided || zxid != lowest {
				return Found{}, fmt.Errorf("the logs go on with 0x%x and not with 0x%x", zxid, lowest)
			}
			return found, nil
		}
		prev = zxid
	}
}

// CopyLog calls f for each transaction behind after up to upto, in order, with
// its entry as it stands in the log, valid during the call. It is an error if
// one is missing; the log may be written to meanwhile.
func (d *Dirs) CopyLog(after, upto int64, limits Limits, f func(zxid int64, entry []byte) error) error {
	t, err := OpenTxns(d.FS, d.Log, after+1, limits)
	if err != nil {
		return err
	}
	defer t.Close()
	last := after
	for last < upto {
		e, err := t.Next()
		if err == io.EOF {
			return fmt.Errorf("the logs end at 0x%x, before 0x%x", last, upto)
		}
		if err != nil {
			return err
		}
		zxid := e.Header.Zxid
		switch {
		case zxid <= after:
			continue
		case zxid > upto:
			return nil
		case epochOf(zxid) == epochOf(last) && zxid != last+1:
			return &GapError{File: t.cur.Name(), Offset: e.Offset, Prev: last, Next: zxid, Before: "the transaction before it"}
		}
		if err := f(zxid, e.Raw); err != nil {
			return err
		}
		last = zxid
	}
	return nil
}

// LatestSnapshotSize returns the bytes of the newest snapshot file, 0 without
// one.
func (d *Dirs) LatestSnapshotSize() (int64, error) {
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil || len(snaps) == 0 {
		return 0, err
	}
	info, err := d.FS.Stat(snaps[len(snaps)-1].Path)
	return info.Size, err
}

// TakeBack is Truncate for a server that goes on afterwards: snapshots of
// later transactions are deleted first, as the next start would bring back
// with them what is taken back. An older one that is whole must remain. It may
// be repeated after a crash at any point. It returns the deleted paths.
func TakeBack(d *Dirs, zxid int64, limits Limits) (deleted []string, err error) {
	deleted, err = dropSnapshots(d, zxid)
	if err != nil {
		return deleted, err
	}
	more, err := Truncate(d, zxid, limits)
	return append(deleted, more...), err
}

// DropBehind makes room for a snapshot of zxid that comes from the leader:
// transactions behind zxid go, if there are any. The log need not hold zxid
// itself. Older snapshots stay until the new one is written.
func DropBehind(d *Dirs, zxid int64, limits Limits) (deleted []string, err error) {
	if deleted, err = dropSnapshots(d, zxid); err != nil {
		return deleted, err
	}
	last := int64(0)
	files, err := Logs(d.FS, d.Log)
	if err != nil {
		return deleted, err
	}
	behind := false
	for _, f := range slices.Backward(files) {
		_, upTo, err := endOf(d, f.Path, zxid, limits)
		if err != nil {
			return deleted, err
		}
		if last = upTo; last != 0 {
			break
		}
		behind = true
	}
	if !behind && last != 0 {
		if behind, err = holdsBehind(d, zxid, limits); err != nil {
			return deleted, err
		}
	}
	if !behind {
		return deleted, nil
	}
	more, err := Truncate(d, last, limits)
	return append(deleted, more...), err
}

// holdsBehind says whether the logs hold a transaction behind zxid.
func holdsBehind(d *Dirs, zxid int64, limits Limits) (bool, error) {
	t, err := OpenTxns(d.FS, d.Log, zxid+1, limits)
	if err != nil {
		return false, err
	}
	defer t.Close()
	_, err = t.Next()
	if err == io.EOF {
		return false, nil
	}
	return err == nil, err
}

// dropSnapshots deletes the snapshots of transactions behind zxid, the newest
// first.
func dropSnapshots(d *Dirs, zxid int64) (deleted []string, err error) {
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return nil, err
	}
	older, later := false, false
	for _, s := range snaps {
		later = later || s.Zxid > zxid
		older = older || s.Zxid <= zxid && snapshotInvalid(d.FS, s.Path) == nil
	}
	if !later {
		return nil, nil
	}
	if !older {
		return nil, fmt.Errorf("every snapshot in %s is of a transaction behind 0x%x: "+
			"move the files of both version-2 directories away, and the server gets all data from its leader", d.Snap, zxid)
	}
	for _, s := range slices.Backward(snaps) {
		if s.Zxid <= zxid {
			break
		}
		if err := d.FS.Remove(s.Path); err != nil {
			return deleted, fmt.Errorf("delete a snapshot of transactions that are taken back: %w", err)
		}
		deleted = append(deleted, s.Path)
	}
	return deleted, d.FS.SyncDir(d.Snap)
}

// ErrEpochs says that the epoch files do not fit the transactions.
var ErrEpochs = errors.New("the epoch files do not fit the data")

// LoadEpochs returns the epochs that a server has accepted and lived in
// (QuorumPeer.loadDataBase). A missing file is written with the epoch of
// lastZxid, the last transaction of the data.
//
// A crash between the data of a new leader and the epoch that belongs to it
// leaves a current epoch that is older than the data, if the epoch was
// accepted. Apache's server then refuses to start (ZOOKEEPER-1653); this one
// goes on with the epoch in the file, as it would have done without the crash:
// it has not acknowledged the new one.
func LoadEpochs(d *Dirs, lastZxid int64) (accepted, current int64, err error) {
	of := epochOf(lastZxid)
	if current, err = d.epoch(CurrentEpoch, of); err != nil {
		return 0, 0, err
	}
	if accepted, err = d.epoch(AcceptedEpoch, max(of, current)); err != nil {
		return 0, 0, err
	}
	switch {
	case accepted < current:
		return 0, 0, fmt.Errorf("%w: %s/%s is %d, less than %d in %s; restore both from a backup, or move the directory away and let the leader send all data",
			ErrEpochs, d.Snap, AcceptedEpoch, accepted, current, CurrentEpoch)
	case of > current && of > accepted:
		return 0, 0, fmt.Errorf("%w: the last transaction is 0x%x of epoch %d, but %s/%s is %d and %s is %d; "+
			"was the directory put together from two? Restore it from a backup, or move it away and let the leader send all data",
			ErrEpochs, uint64(lastZxid), of, d.Snap, CurrentEpoch, current, AcceptedEpoch, accepted)
	}
	return accepted, current, nil
}

// epoch reads an epoch file, or writes it with the given value.
func (d *Dirs) epoch(name string, missing int64) (int64, error) {
	epoch, ok, err := d.ReadEpoch(name)
	if err != nil || ok {
		return epoch, err
	}
	return missing, d.WriteEpoch(name, missing)
}
