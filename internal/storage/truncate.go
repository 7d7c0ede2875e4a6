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
// looked at (TakeBack does); nothing may be appending meanwhile. It returns
// the deleted paths.
func Truncate(d *Dirs, zxid int64, limits Limits) (deleted []string, err error) {
	c, err := planCut(d, zxid, limits)
	if err != nil {
		return nil, err
	}
	if len(c.files) == 0 {
		return nil, fmt.Errorf("there are no transaction logs in %s to take back 0x%x and later from; was dataLogDir changed, or were they deleted?", d.Log, zxid+1)
	}
	if c.last != zxid && c.last != 0 {
		return nil, fmt.Errorf("cannot take back what is behind 0x%x: %s goes from 0x%x on without it", zxid, c.files[c.keep-1].Path, c.last)
	}
	var report TakenBack
	err = c.carryOut(nil, &report)
	return report.Logs, err
}

// cut is how the logs lose every transaction behind zxid.
type cut struct {
	d     *Dirs
	zxid  int64
	files []NamedFile
	keep  int   // so many files stay
	last  int64 // the last transaction that stays, 0 if no file does
	at    int64 // where it ends in the last file that stays
	rest  bool  // there is more behind it in that file
}

// planCut finds out without changing anything.
func planCut(d *Dirs, zxid int64, limits Limits) (*cut, error) {
	files, err := Logs(d.FS, d.Log)
	if err != nil {
		return nil, err
	}
	c := &cut{d: d, zxid: zxid, files: files, keep: len(files)}
	for ; c.keep > 0; c.keep-- {
		if err := c.endOf(files[c.keep-1].Path, limits); err != nil {
			return nil, err
		}
		if c.last != 0 {
			break
		}
	}
	return c, nil
}

// carryOut deletes the logs that do not stay and the given snapshots, all of
// them newest first, and then cuts the log that is left: wherever it is
// stopped, what is there is a beginning of the history. A log goes before the
// snapshot that it stands on, as a gap could be between that and the log
// before.
func (c *cut) carryOut(snaps []NamedFile, report *TakenBack) error {
	logs := c.files[c.keep:]
	for len(logs)+len(snaps) > 0 {
		n := len(logs)
		for n > 0 && (len(snaps) == 0 || logs[n-1].Zxid > snaps[len(snaps)-1].Zxid) {
			n--
		}
		if err := c.remove(c.d.Log, logs[n:], &report.Logs); err != nil {
			return err
		}
		logs = logs[:n]
		n = len(snaps)
		for n > 0 && (len(logs) == 0 || snaps[n-1].Zxid >= logs[len(logs)-1].Zxid) {
			n--
		}
		if err := c.remove(c.d.Snap, snaps[n:], &report.Snapshots); err != nil {
			return err
		}
		snaps = snaps[:n]
	}
	if c.keep == 0 || !c.rest {
		return nil
	}
	name := c.files[c.keep-1].Path
	if err := truncateFile(c.d.FS, name, c.at); err != nil {
		return fmt.Errorf("cut %s at offset %d: %w", name, c.at, err)
	}
	report.Cut = name
	return nil
}

// remove durably deletes files of a directory, the newest first.
func (c *cut) remove(dir string, files []NamedFile, gone *[]string) error {
	if len(files) == 0 {
		return nil
	}
	for _, f := range slices.Backward(files) {
		if err := c.d.FS.Remove(f.Path); err != nil {
			return fmt.Errorf("delete what is behind 0x%x: %w", c.zxid, err)
		}
		*gone = append(*gone, f.Path)
	}
	if err := c.d.FS.SyncDir(dir); err != nil {
		return fmt.Errorf("delete what is behind 0x%x: %w", c.zxid, err)
	}
	return nil
}

// endOf looks for the last transaction of a log that is not later than zxid.
func (c *cut) endOf(name string, limits Limits) error {
	r, err := OpenLogReader(c.d.FS, name, limits)
	var torn *TornError
	if errors.As(err, &torn) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &torn), err == nil && e.Header.Zxid > c.zxid:
			c.rest = true
			return nil
		case err != nil:
			return err
		}
		c.at, c.last = e.End(), e.Header.Zxid
	}
}
