package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"zooid/internal/vfs"
)

// MinRetain is the smallest number of snapshots that Purge keeps.
const MinRetain = 3

// Purge deletes the snapshots and logs that are not needed by the newest
// retain valid snapshots (PurgeTxnLog): of the logs it keeps the newest one
// that begins at or before the oldest snapshot kept, and all later ones. With
// fewer valid snapshots than that, nothing older than the oldest valid one
// goes; with none, nothing at all. It returns the deleted paths, also when an
// error ends it early.
func Purge(d *Dirs, retain int) ([]string, error) {
	victims, err := PurgeList(d, retain)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, f := range victims {
		// An operator's zkCleanup.sh may be at the same work.
		switch err := d.FS.Remove(f); {
		case err == nil:
			gone = append(gone, f)
		case !errors.Is(err, fs.ErrNotExist):
			return gone, err
		}
	}
	return gone, nil
}

// PurgeList returns what Purge would delete: logs first, as Apache's does.
func PurgeList(d *Dirs, retain int) ([]string, error) {
	snaps, err := Snapshots(d.FS, d.Snap)
	if err != nil {
		return nil, err
	}
	kept, oldest := 0, int64(0)
	for _, s := range slices.Backward(snaps) {
		if kept == max(retain, MinRetain) {
			break
		}
		valid, err := worthKeeping(d.FS, s.Path)
		if err != nil {
			return nil, fmt.Errorf("nothing is purged, as a snapshot that may be needed cannot be read: %w", err)
		}
		if valid {
			kept, oldest = kept+1, s.Zxid
		}
	}
	if kept == 0 {
		return nil, nil
	}
	logs, err := Logs(d.FS, d.Log)
	if err != nil {
		return nil, err
	}
	var victims []string
	for i, l := range logs {
		// A log is needed if it may hold a transaction behind oldest: if the
		// next one begins later than that.
		if l.Zxid < oldest && i+1 < len(logs) && logs[i+1].Zxid <= oldest {
			victims = append(victims, l.Path)
		}
	}
	for _, s := range snaps {
		if s.Zxid < oldest {
			victims = append(victims, s.Path)
		}
	}
	return victims, nil
}

// worthKeeping reports whether a snapshot looks whole. That it cannot be read
// just now says nothing about it, and is an error.
func worthKeeping(fsys vfs.FS, name string) (bool, error) {
	err := snapshotInvalid(fsys, name)
	var damage *DamageError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &damage), errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}
