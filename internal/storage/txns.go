package storage

import (
	"errors"
	"fmt"
	"io"
	"path"

	"zooid/internal/vfs"
)

// epochOf returns the epoch in the upper half of a zxid.
func epochOf(zxid int64) int64 { return zxid >> 32 }

// GapError says that a log misses transactions.
type GapError struct {
	File       string
	Offset     int64
	Prev, Next int64 // zxids of the transactions on both sides
	Before     string
	Torn       *TornError // the end of the file before, if it is not whole
}

// Error implements error.
func (e *GapError) Error() string {
	if e.Torn != nil {
		return fmt.Sprintf("%s at offset %d: transaction 0x%x does not follow 0x%x (%s): those between them were in %s, "+
			"which is damaged at offset %d (%s); restore that file from a backup, or the whole directory from another server",
			e.File, e.Offset, e.Next, e.Prev, e.Before, e.Torn.File, e.Torn.Offset, e.Torn.Reason)
	}
	return fmt.Sprintf("%s at offset %d: transaction 0x%x does not follow 0x%x (%s): those between them are missing; "+
		"restore the missing log files from a backup, or the whole directory from another server",
		e.File, e.Offset, e.Next, e.Prev, e.Before)
}

// Txns reads the transactions of all log files of a directory in order.
type Txns struct {
	fs     vfs.FS
	limits Limits
	from   int64
	files  []NamedFile // not yet opened
	cur    *LogReader
	prev   int64 // zxid of the last entry returned
	began  bool
	where  string // path of the file prev was in

	// Torn lists the logs that end in a torn record; the one of the last
	// file, if any, is also Last.
	Torn []*TornError
	Last *TornError
	// Empty is the last file if it is empty.
	Empty string
	// Notes are oddities that are no reason to stop.
	Notes []string
	// Files and Bytes count what has been read.
	Files int
	Bytes int64
}

// OpenTxns returns a reader of the transactions from zxid from on, that one
// included. It begins with the last log that is named by from or less.
func OpenTxns(fs vfs.FS, dir string, from int64, limits Limits) (*Txns, error) {
	files, err := Logs(fs, dir)
	if err != nil {
		return nil, err
	}
	first := 0
	for i, f := range files {
		if f.Zxid <= from {
			first = i
		}
	}
	return &Txns{fs: fs, limits: limits, from: from, files: files[first:]}, nil
}

// Next returns the next transaction, or io.EOF behind the last one. A file
// that is damaged, or misses transactions, is an error.
func (t *Txns) Next() (*Entry, error) {
	for {
		if t.cur == nil {
			if err := t.open(); err != nil {
				return nil, err
			}
		}
		e, err := t.cur.Next()
		switch {
		case err == nil:
			if !t.began && e.Header.Zxid < t.from {
				continue
			}
			return e, t.follow(e)
		case err == io.EOF || t.isTorn(err):
			t.close()
		default:
			return nil, err
		}
	}
}

// open opens the next file that holds anything.
func (t *Txns) open() error {
	for len(t.files) > 0 {
		f := t.files[0]
		t.files = t.files[1:]
		r, err := OpenLogReader(t.fs, f.Path, t.limits)
		if err == nil {
			t.cur = r
			t.Files++
			return nil
		}
		if !t.isTorn(err) {
			return err
		}
		if last := t.Torn[len(t.Torn)-1]; last == t.Last && last.Dropped == 0 {
			t.Empty = f.Path
		}
	}
	return io.EOF
}

// isTorn notes a torn end and reports whether err is one.
func (t *Txns) isTorn(err error) bool {
	var torn *TornError
	if !errors.As(err, &torn) {
		return false
	}
	t.Torn = append(t.Torn, torn)
	if len(t.files) == 0 {
		t.Last = torn
	}
	return true
}

// follow checks that e comes behind the entry before it.
func (t *Txns) follow(e *Entry) error {
	zxid := e.Header.Zxid
	if t.began && zxid <= t.prev {
		t.Notes = append(t.Notes, fmt.Sprintf("%s at offset %d: transaction 0x%x stands behind 0x%x",
			t.cur.Name(), e.Offset, zxid, t.prev))
	}
	if t.began && epochOf(zxid) == epochOf(t.prev) && zxid > t.prev+1 {
		before := "the transaction before it in the same file"
		if t.where != t.cur.Name() {
			before = "the last one of " + path.Base(t.where)
		}
		gap := &GapError{File: t.cur.Name(), Offset: e.Offset, Prev: t.prev, Next: zxid, Before: before}
		if n := len(t.Torn); n > 0 && t.Torn[n-1].File == t.where {
			gap.Torn = t.Torn[n-1]
		}
		return gap
	}
	if !t.began || zxid > t.prev {
		t.prev = zxid
	}
	t.began, t.where = true, t.cur.Name()
	return nil
}

func (t *Txns) close() {
	t.Bytes += t.cur.Offset()
	t.cur.Close()
	t.cur = nil
}

// File returns the path of the file of the last entry, and the number of
// bytes of it that have been read.
func (t *Txns) File() (name string, off int64) {
	if t.cur == nil {
		return t.where, 0
	}
	return t.cur.Name(), t.cur.Offset()
}

// Close closes the file that is open.
func (t *Txns) Close() error {
	if t.cur == nil {
		return nil
	}
	err := t.cur.Close()
	t.cur = nil
	return err
}
