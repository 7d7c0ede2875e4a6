// Package storage keeps what a server has accepted: the transaction log, the
// snapshots and the small files beside them, in ZooKeeper's own formats, so
// that a data directory can go from Apache's server to this one and back.
//
// It stands between the core, which produces and takes transactions and tree
// contents as encoded bytes, and package vfs. The disk writer of the shell
// calls Log, the snapshot job SnapshotWriter, the start Recover and LoadEpochs;
// a leader finds what a learner lacks by FindSync and CopyLog, and a learner
// takes it by ReadStream, TakeBack and DropBehind; the tools read through
// LogReader and ReadSnapshot. Nothing here starts a goroutine.
//
// It must never report something durable that is not, change or delete a
// file whose content may still be needed, go on after a failed write or sync,
// or take damage for the end of a file: what cannot be a write torn by a
// crash is an error that names file, offset and reason.
package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"zooid/internal/vfs"
)

// ErrDataDir is the class of errors about directories that are missing, not
// writable, mixed up or in use: Apache's server ends with exit code 3 for
// them.
var ErrDataDir = errors.New("unusable data directory")

// DirError says what is wrong with a data directory. It is ErrDataDir.
type DirError struct {
	Dir    string
	Reason string
	Err    error // the cause, if there is one
}

// Error implements error.
func (e *DirError) Error() string {
	s := e.Dir + ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes errors.Is(err, ErrDataDir) true.
func (e *DirError) Is(target error) bool { return target == ErrDataDir }

// Unwrap returns the cause.
func (e *DirError) Unwrap() error { return e.Err }

// DamageError says that a file does not hold what was written to it.
type DamageError struct {
	File   string
	Offset int64 // of the record or value that is wrong; in a compressed snapshot of the uncompressed bytes
	Reason string
	Remedy string // what an operator can do
	Err    error  // the cause, if there is one
	// Behind is true for a snapshot whose nodes were all read: what is wrong
	// is a checksum or something else behind them.
	Behind bool
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// Error implements error.
func (e *DamageError) Error() string {
	s := fmt.Sprintf("%s is damaged at offset %d: %s", e.File, e.Offset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Limits bounds what readers accept.
type Limits struct {
	// MaxField is the largest buffer, string or log entry in bytes:
	// jute.maxbuffer plus zookeeper.jute.maxbuffer.extrasize. 0 means the
	// default of both together.
	MaxField int
}

// defaultMaxField is Apache's jute.maxbuffer (0xfffff) plus the same again.
const defaultMaxField = 2 * 0xfffff

func (l Limits) field() int {
	if l.MaxField <= 0 {
		return defaultMaxField
	}
	return l.MaxField
}

// The names in a version-2 directory.
const (
	logPrefix      = "log."
	snapshotPrefix = "snapshot."
	// tempPrefix begins the name of a snapshot that is being written. Neither
	// Apache's server nor its tools look at such names, whereas one that
	// begins with "snapshot." would be a candidate to load.
	tempPrefix = "zooid-temp."
	lockName   = "zooid.lock"
)

// LogName returns the name of the log whose first transaction is zxid.
func LogName(zxid int64) string {
	return logPrefix + strconv.FormatUint(uint64(zxid), 16)
}

// SnapshotName returns the name of the snapshot of the tree as of zxid.
func SnapshotName(zxid int64, c Compression) string {
	return snapshotPrefix + strconv.FormatUint(uint64(zxid), 16) + c.suffix()
}

// parseName returns the zxid in the name of a log or snapshot file; ok is
// false for every other name. What follows a second dot is not looked at
// (Util.getZxidFromName).
func parseName(name, prefix string) (zxid int64, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	rest, _, _ = strings.Cut(rest, ".")
	n, err := strconv.ParseUint(rest, 16, 64)
	return int64(n), err == nil
}

// SnapshotZxid returns the zxid in the name of a snapshot file.
func SnapshotZxid(name string) (zxid int64, ok bool) { return parseName(name, snapshotPrefix) }

// NamedFile is a log or snapshot file found in a directory.
type NamedFile struct {
	Path string
	Zxid int64 // from the name
}

// Logs returns the log files of a directory by ascending zxid. Names with a
// second dot are left out: the tools leave log.5.fixed and log.5.chopped7
// beside log.5, and reading both would read everything twice (as Apache's
// server does).
func Logs(fs vfs.FS, dir string) ([]NamedFile, error) {
	files, err := listNamed(fs, dir, logPrefix)
	return slices.DeleteFunc(files, func(f NamedFile) bool {
		return strings.Contains(strings.TrimPrefix(path.Base(f.Path), logPrefix), ".")
	}), err
}

// Snapshots returns the snapshot files of a directory by ascending zxid,
// valid or not.
func Snapshots(fs vfs.FS, dir string) ([]NamedFile, error) {
	return listNamed(fs, dir, snapshotPrefix)
}

func listNamed(fs vfs.FS, dir, prefix string) ([]NamedFile, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var files []NamedFile
	for _, name := range names {
		if zxid, ok := parseName(name, prefix); ok {
			files = append(files, NamedFile{path.Join(dir, name), zxid})
		}
	}
	slices.SortFunc(files, func(a, b NamedFile) int {
		if a.Zxid != b.Zxid {
			if a.Zxid < b.Zxid {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return files, nil
}
