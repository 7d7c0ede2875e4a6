package storage

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"zooid/internal/vfs"
)

// versionDir is the name of the directory below dataDir and dataLogDir that
// holds the files.
const versionDir = "version-2"

// markerName is the file by which zkServer-initialize.sh tells an empty
// server that it may count itself as one with an empty database.
const markerName = "initialize"

// Dirs are the opened directories of one server. Close lets go of the locks.
type Dirs struct {
	FS      vfs.FS
	Data    string // dataDir
	DataLog string // dataLogDir, or dataDir again
	Snap    string // dataDir/version-2
	Log     string // dataLogDir/version-2
	locks   []io.Closer
}

// OpenDirs checks and locks the directories of a server: version-2 is made
// below both (unless autocreate is false, zookeeper.datadir.autocreate), both
// must be writable and not hold each other's files, and no other server may
// use them. An empty dataLogDir means dataDir. Errors are ErrDataDir.
func OpenDirs(fsys vfs.FS, dataDir, dataLogDir string, autocreate bool) (*Dirs, error) {
	d := FindDirs(fsys, dataDir, dataLogDir)
	for _, dir := range d.both() {
		if err := prepareDir(fsys, dir, autocreate); err != nil {
			return nil, err
		}
	}
	if err := d.checkMixed(); err != nil {
		return nil, err
	}
	for _, dir := range d.both() {
		lock, err := fsys.Lock(path.Join(dir, lockName))
		if err != nil {
			_ = d.Close() // the lock that could not be had is what counts
			reason := "cannot be locked"
			var held *vfs.LockedError
			if errors.As(err, &held) {
				reason = "another server uses it; stop that one first, or give this one a directory of its own"
			}
			return nil, &DirError{dir, reason, err}
		}
		d.locks = append(d.locks, lock)
	}
	return d, nil
}

// FindDirs returns the directories without checking or locking anything, for
// the tools. An empty dataLogDir means dataDir.
func FindDirs(fsys vfs.FS, dataDir, dataLogDir string) *Dirs {
	if dataLogDir == "" {
		dataLogDir = dataDir
	}
	return &Dirs{
		FS: fsys, Data: dataDir, DataLog: dataLogDir,
		Snap: path.Join(dataDir, versionDir), Log: path.Join(dataLogDir, versionDir),
	}
}

// Close lets go of the directories.
func (d *Dirs) Close() error {
	var first error
	for _, l := range d.locks {
		if err := l.Close(); first == nil {
			first = err
		}
	}
	d.locks = nil
	return first
}

// both returns the version-2 directories, once if they are the same.
func (d *Dirs) both() []string {
	if d.Log == d.Snap {
		return []string{d.Snap}
	}
	return []string{d.Log, d.Snap}
}

func prepareDir(fsys vfs.FS, dir string, autocreate bool) error {
	info, err := fsys.Stat(dir)
	switch {
	case err == nil && !info.Dir:
		return &DirError{dir, "is not a directory", nil}
	case errors.Is(err, fs.ErrNotExist) && !autocreate:
		return &DirError{dir, "is missing and zookeeper.datadir.autocreate is false; create it, or allow it to be created", nil}
	case errors.Is(err, fs.ErrNotExist):
		if err := fsys.MkdirAll(dir); err != nil {
			return &DirError{dir, "cannot be created", err}
		}
		// The new name must survive a crash as the files in it do. That of its
		// parent may be as new; whether that one's parent may be read is not ours
		// to ask for.
		if err := fsys.SyncDir(path.Dir(dir)); err != nil {
			return &DirError{path.Dir(dir), "cannot be synced", err}
		}
		_ = fsys.SyncDir(path.Dir(path.Dir(dir)))
	case err != nil:
		return &DirError{dir, "cannot be read", err}
	}
	if err := fsys.Writable(dir); err != nil {
		return &DirError{dir, "is not writable", err}
	}
	return nil
}

// checkMixed refuses directories that have changed places: a server that
// starts without its logs would lose what they hold.
func (d *Dirs) checkMixed() error {
	if d.Log == d.Snap {
		return nil
	}
	for _, c := range []struct{ dir, prefix, is, other string }{
		{d.Log, snapshotPrefix, "is the log directory but holds snapshot files", "dataDir"},
		{d.Snap, logPrefix, "is the snapshot directory but holds log files", "dataLogDir"},
	} {
		names, err := d.FS.List(c.dir)
		if err != nil {
			return &DirError{c.dir, "cannot be read", err}
		}
		for _, name := range names {
			if strings.HasPrefix(name, c.prefix) {
				return &DirError{c.dir, c.is + " (" + name + "); check dataDir and dataLogDir, and move the files to " + c.other, nil}
			}
		}
	}
	return nil
}

// Marker reports whether the "initialize" file is there. Apache's script puts
// it into dataDir and its server looks in dataLogDir: both count.
func (d *Dirs) Marker() bool {
	for _, name := range d.markers() {
		if _, err := d.FS.Stat(name); err == nil {
			return true
		}
	}
	return false
}

// DropMarker deletes the "initialize" file. It is called once the state that
// the marker allowed is safe: after the first snapshot of an empty server.
func (d *Dirs) DropMarker() error {
	for _, name := range d.markers() {
		if err := d.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d *Dirs) markers() []string {
	a, b := path.Join(d.DataLog, markerName), path.Join(d.Data, markerName)
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}

// DiskUsage returns the bytes that the files of a directory take: what the
// server shows as data_dir_size and log_dir_size.
func DiskUsage(fsys vfs.FS, dir string) (int64, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range names {
		info, err := fsys.Stat(path.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted in between
		case err != nil:
			return sum, err
		case info.Dir:
			n, err := DiskUsage(fsys, path.Join(dir, name))
			if err != nil {
				return sum, err
			}
			sum += n
		default:
			sum += info.Size
		}
	}
	return sum, nil
}
