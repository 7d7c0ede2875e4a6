package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// counterOf returns the lower half of a zxid: its number within the epoch.
// The first transaction of an epoch has 1; 0 stands for the epoch's beginning,
// and for everything before it.
func counterOf(zxid int64) int64 { return zxid & 0xffffffff }

// follows reports whether next can be the transaction behind prev.
func follows(prev, next int64) bool {
	if epochOf(next) == epochOf(prev) {
		return next == prev+1
	}
	return next > prev && counterOf(next) == 1
}

// HistoryError says that the logs do not hold a stretch of history as one
// piece.
type HistoryError struct {
	From, To int64
	Reason   string
	Err      error // the cause, if there is one
}

// Error implements error.
func (e *HistoryError) Error() string {
	s := fmt.Sprintf("the logs do not hold all from 0x%x to 0x%x: %s", e.From, e.To, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *HistoryError) Unwrap() error { return e.Err }

// history reads the transactions from from to to, both included, and vouches
// that none is missing between them. from may be the beginning of an epoch,
// which no transaction has. Files may be appended to and purged meanwhile.
type history struct {
	d        *Dirs
	from, to int64
	// own is set if from is that of a snapshot of this server, which need not
	// be in the logs: what follows it is the same.
	own   bool
	files []NamedFile // from the one that holds from on
	// marks are the snapshots between from and to, ascending. Each must be of
	// a transaction that is met: one that is not may have come from a leader,
	// and then what it brought along is in no log. That cannot be seen from
	// the logs alone if a new epoch begins behind it.
	marks []int64
	t     *Txns
	prev  int64
}

// openHistory returns a *HistoryError if from can be in no log.
func (d *Dirs) openHistory(from, to int64, own bool, limits Limits) (*history, error) {
	h := &history{d: d, from: from, to: to, own: own, prev: from}
	logs, err := Logs(d.FS, d.Log)
	if err != nil {
		return nil, err
	}
	first := -1
	for i, f := range logs {
		if f.Zxid <= from {
			first = i
		}
	}
	switch {
	case len(logs) == 0:
		return nil, h.broken("there are none", nil)
	case first < 0 && !own:
		return nil, h.broken(fmt.Sprintf("the oldest one begins with 0x%x", logs[0].Zxid), nil)
	}
	h.files = logs[max(first, 0):]
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return nil, err
	}
	for _, s := range snaps {
		if from < s.Zxid && s.Zxid <= to {
			h.marks = append(h.marks, s.Zxid)
		}
	}
	h.t = &Txns{fs: d.FS, limits: limits, from: from, files: slices.Clone(h.files)}
	return h, nil
}

func (h *history) broken(reason string, err error) error {
	return &HistoryError{From: h.from, To: h.to, Reason: reason, Err: err}
}

// next returns the next transaction, and io.EOF behind to.
func (h *history) next() (*Entry, error) {
	if h.t.began && h.prev == h.to {
		return nil, io.EOF
	}
	began := h.t.began
	e, err := h.t.Next()
	var gap *GapError
	var damage *DamageError
	switch {
	case err == io.EOF && !began:
		return nil, h.broken("they end before", nil)
	case err == io.EOF:
		return nil, h.broken(fmt.Sprintf("they end with 0x%x", h.prev), nil)
	case errors.As(err, &gap):
		return nil, h.broken(fmt.Sprintf("0x%x in %s stands behind 0x%x", gap.Next, gap.File, gap.Prev), nil)
	case errors.As(err, &damage):
		// It may as well be a record that is being written.
		return nil, h.broken("a part cannot be read", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, h.broken("a file was deleted meanwhile", err)
	case err != nil:
		return nil, err
	}
	return e, h.accept(e.Header.Zxid, began)
}

// accept checks that nothing is missing before zxid.
func (h *history) accept(zxid int64, began bool) error {
	atStart := !began && zxid == h.from
	switch {
	case atStart, began && follows(h.prev, zxid):
	case !began && !h.own && counterOf(h.from) != 0:
		return h.broken(fmt.Sprintf("0x%x is not there, 0x%x is the first behind it", h.from, zxid), nil)
	case !follows(h.prev, zxid):
		return h.broken(fmt.Sprintf("0x%x stands behind 0x%x", zxid, h.prev), nil)
	}
	if zxid > h.to {
		return h.broken(fmt.Sprintf("0x%x stands behind 0x%x", zxid, h.prev), nil)
	}
	for len(h.marks) > 0 && h.marks[0] <= zxid {
		if h.marks[0] < zxid {
			return h.broken(fmt.Sprintf("snapshot 0x%x is of no transaction in them, so it may hold some that they miss", h.marks[0]), nil)
		}
		h.marks = h.marks[1:]
	}
	h.prev = zxid
	return nil
}

func (h *history) close() {
	if h.t != nil {
		_ = h.t.Close() // it was only read
	}
}

// SyncKind is how a learner can be brought up to date from the logs.
type SyncKind int

// The kinds of a Found. Apache's leader has one more: it tells a learner to
// take back what follows the last transaction before the learner's own, if
// both are of one epoch and the next is of that epoch, too. As an epoch is
// counted without gaps that can only be so if transactions are missing in the
// leader's own log, and then it must not.
const (
	// SyncImpossible: not from the logs.
	SyncImpossible SyncKind = iota
	// SyncExact: the learner's last transaction is in the logs.
	SyncExact
	// SyncEpochStart: the learner has seen nothing of its epoch but the
	// beginning, and the logs hold what follows.
	SyncEpochStart
)

// String returns the name of the kind.
func (k SyncKind) String() string {
	switch k {
	case SyncExact:
		return "exact"
	case SyncEpochStart:
		return "epoch start"
	}
	return "impossible"
}

// Found says what the logs can do for a learner.
type Found struct {
	Kind   SyncKind
	Reason string // why it is impossible
	// Txns and Bytes count the transactions behind the learner's last one up
	// to the one asked for, that included; Bytes without what a log adds.
	Txns  int
	Bytes int64
}

// FindSync reports whether a learner whose last transaction is peer can be
// brought up to min, which is that of the oldest proposal in memory, from the
// logs (LearnerHandler.syncFollower, ZKDatabase.getProposalsFromTxnLog). Then
// CopyLog(peer, min) gives the transactions. It reads the logs from the file
// that holds peer to min, and vouches that they are one piece, which Apache's
// does not.
//
// sizeLimit bounds the bytes of the logs behind the file that holds peer: 0
// is no limit and less than 0 rules the logs out, as in Apache's. Unlike there
// the zeros at the end of the log in use do not count, nor do logs behind min.
//
// min must have been committed to this server's log before. An error is one of
// the disk; what is missing or damaged is a Found.
func FindSync(d *Dirs, peer, min, sizeLimit int64, limits Limits) (Found, error) {
	found, err := findSync(d, peer, min, sizeLimit, limits)
	var gap *HistoryError
	if errors.As(err, &gap) {
		return Found{Reason: err.Error()}, nil
	}
	return found, err
}

func findSync(d *Dirs, peer, min, sizeLimit int64, limits Limits) (found Found, err error) {
	if sizeLimit < 0 {
		return Found{Reason: "the size limit rules it out"}, nil
	}
	h, err := d.openHistory(peer, min, false, limits)
	if err != nil {
		return Found{}, err
	}
	defer h.close()
	if err := h.fits(sizeLimit); err != nil {
		return Found{}, err
	}
	found.Kind = SyncEpochStart
	behind := int64(0) // bytes in files behind the first
	for {
		e, err := h.next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return Found{}, err
		}
		if e.Header.Zxid == peer {
			found.Kind = SyncExact
			continue
		}
		found.Txns++
		found.Bytes += int64(len(e.Raw))
		if name, _ := h.t.File(); name != h.files[0].Path {
			behind += int64(len(e.Raw)) + recordExtra
		}
		if sizeLimit > 0 && behind > sizeLimit {
			return Found{}, h.tooLarge(sizeLimit)
		}
	}
}

func (h *history) tooLarge(limit int64) error {
	return h.broken(fmt.Sprintf("more than the limit of %d bytes would have to be read", limit), nil)
}

// fits adds up the logs behind the first one, but for the last, of which the
// size says nothing: it saves reading what is too large.
func (h *history) fits(limit int64) error {
	sum := int64(0)
	for i, f := range h.files {
		if limit == 0 || i == 0 || i == len(h.files)-1 || f.Zxid > h.to {
			continue
		}
		info, err := h.d.FS.Stat(f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return h.broken("a file was deleted meanwhile", err)
		}
		if err != nil {
			return err
		}
		if sum += info.Size; sum > limit {
			return h.tooLarge(limit)
		}
	}
	return nil
}

// CopyLog calls f for every transaction behind from up to to, that included,
// in order: entry is header, body and digest, as a PROPOSAL carries them, and
// valid during the call only. from must be in the logs, or be the beginning of
// an epoch; to must have been committed to this server's log before. A missing
// or damaged transaction is a *HistoryError; an error of f ends it and is
// returned as it is.
func (d *Dirs) CopyLog(from, to int64, limits Limits, f func(zxid int64, entry []byte) error) error {
	if from == to {
		return nil
	}
	h, err := d.openHistory(from, to, false, limits)
	if err != nil {
		return err
	}
	defer h.close()
	for {
		e, err := h.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Header.Zxid == from {
			continue
		}
		if err := f(e.Header.Zxid, e.Raw); err != nil {
			return err
		}
	}
}

// LatestSnapshotSize returns the length in bytes of the newest snapshot that
// looks whole, 0 if there is none: what zookeeper.snapshotSizeFactor is
// multiplied with (ZKDatabase.calculateTxnLogSizeLimit).
func LatestSnapshotSize(d *Dirs) (int64, error) {
	files, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return 0, err
	}
	for _, s := range slices.Backward(files) {
		if valid, err := worthKeeping(d.FS, s.Path); err != nil {
			return 0, err
		} else if !valid {
			continue
		}
		info, err := d.FS.Stat(s.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // purged
		}
		return info.Size, err
	}
	return 0, nil
}
