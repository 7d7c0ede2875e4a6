package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Truncate takes back every transaction behind zxid from the logs, as a leader
// asks of a learner that has logged what was never committed. The log must
// hold zxid itself, or nothing at or before it (then a snapshot must). Files
// of later transactions are deleted, the newest first, before the one with
// zxid is cut: a crash on the way leaves logs without a gap. Snapshots are not
// looked at; nothing may be appending meanwhile. It returns the deleted paths.
func Truncate(d *Dirs, zxid int64, limits Limits) (deleted []string, err error) {
	files, err := Logs(d.FS, d.Log)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no transaction logs in %s to take back 0x%x and later from; was dataLogDir changed, or were they deleted?", d.Log, zxid+1)
	}
	keep := len(files) // the files that are left
	cutAt := int64(0)
	for keep > 0 && cutAt == 0 {
		at, last, err := endOf(d, files[keep-1].Path, zxid, limits)
		if err != nil {
			return nil, err
		}
		switch last {
		case 0: // nothing of this file stays
			keep--
		case zxid:
			cutAt = at
		default:
			return nil, fmt.Errorf("cannot take back what is behind 0x%x: %s goes from 0x%x on without it", zxid, files[keep-1].Path, last)
		}
	}
	for _, f := range slices.Backward(files[keep:]) {
		if err := d.FS.Remove(f.Path); err != nil {
			return deleted, fmt.Errorf("delete a log of transactions behind 0x%x: %w", zxid, err)
		}
		deleted = append(deleted, f.Path)
	}
	if err := d.FS.SyncDir(d.Log); err != nil {
		return deleted, err
	}
	if keep > 0 {
		if err := truncateFile(d.FS, files[keep-1].Path, cutAt); err != nil {
			return deleted, fmt.Errorf("cut %s at offset %d: %w", files[keep-1].Path, cutAt, err)
		}
	}
	return deleted, nil
}

// endOf returns the offset behind the last record of a log that is not later
// than zxid, and its zxid; 0 and 0 if there is none.
func endOf(d *Dirs, name string, zxid int64, limits Limits) (at, last int64, err error) {
	r, err := OpenLogReader(d.FS, name, limits)
	var torn *TornError
	if errors.As(err, &torn) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) || errors.As(err, &torn) || err == nil && e.Header.Zxid > zxid {
			return at, last, nil
		}
		if err != nil {
			return 0, 0, err
		}
		at, last = e.End(), e.Header.Zxid
	}
}
