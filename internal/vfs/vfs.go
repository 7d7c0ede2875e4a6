// Package vfs is the small part of a file system that storage needs, behind
// an interface, so that the same storage code runs on a real disk (OS), in
// memory that can crash (Mem) and under injected errors (Faulty).
//
// It stands at the far end of a write: storage calls it, nothing below does.
// It must never hide an error, never retry a failed sync (the kernel drops
// the dirty pages of one, so a second try that succeeds proves nothing), and
// never promise more than POSIX: data is durable after File.Sync, a name
// after FS.SyncDir of its directory, and nothing else is.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"path"
	"time"
)

// FS is a file system. Names are slash-separated paths. Errors about names
// that do not exist satisfy errors.Is(err, fs.ErrNotExist).
type FS interface {
	// Create opens name for reading and writing, empty; a file that was
	// there loses its content.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenWrite opens an existing file for reading and writing, as it is.
	OpenWrite(name string) (File, error)
	// Remove deletes a file.
	Remove(name string) error
	// Rename gives a file another name in the same file system, replacing
	// what had it: one step, even across a crash.
	Rename(oldname, newname string) error
	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents.
	MkdirAll(dir string) error
	// Stat describes a file or directory.
	Stat(name string) (Info, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Writable returns why files cannot be created in dir, or nil.
	Writable(dir string) error
	// Lock takes the exclusive lock that the file name stands for, creating
	// the file, and holds it until the Closer is closed or the process ends.
	// If somebody else holds it the error is a *LockedError. On a file system
	// without locks everybody gets it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Reads and writes name their offset; there is no
// position to get wrong.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the data durable, and the size as far as it is needed to
	// read the data back (fdatasync).
	Sync() error
	// StartSync asks for the bytes [off, off+n) to be written to disk and
	// returns without a promise: it spreads the work of a later Sync.
	StartSync(off, n int64) error
	// Truncate sets the size. A longer file reads as zeros at its end.
	Truncate(size int64) error
	// Preallocate makes the file at least size bytes long, the new bytes
	// zero, and reserves their space where the file system can.
	Preallocate(size int64) error
	// Size returns the size in bytes.
	Size() (int64, error)
	// Name returns the name that the file was opened by.
	Name() string
}

// Info describes a file or directory.
type Info struct {
	Size    int64
	Dir     bool
	ModTime time.Time
}

// LockedError says that a lock is held by somebody else.
type LockedError struct {
	Name string
	PID  int // of the holder, 0 if unknown
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID > 0 {
		return fmt.Sprintf("%s is locked by process %d", e.Name, e.PID)
	}
	return e.Name + " is locked by another process"
}

// ErrClosed is returned for what is done with a closed file.
var ErrClosed = errors.New("file is closed")

// ReadFile returns the content of a file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// ReplaceFile gives name the content data in one durable step: it writes
// name.tmp, syncs it, renames it and syncs the directory, so that a crash
// leaves the old content or the new.
func ReplaceFile(fsys FS, name string, data []byte) error {
	tmp := name + ".tmp"
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		_ = fsys.Remove(tmp) // the old content stands; a left-over is only untidy
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// Reader reads a file from front to back. The zero value is not usable; set
// File.
type Reader struct {
	File File
	Off  int64 // of the next byte
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.File.ReadAt(p, r.Off)
	r.Off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}
