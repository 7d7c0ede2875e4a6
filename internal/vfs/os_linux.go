package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func (f *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

func (f *osFile) StartSync(off, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
	if err == nil || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ESPIPE) || errors.Is(err, unix.EINVAL) {
		return nil // a hint that the file system does not know
	}
	return &os.PathError{Op: "sync_file_range", Path: f.Name(), Err: err}
}

// Preallocate reserves the space unless that would harm more than it helps:
// in memory (tmpfs), and where little room is left, files grow sparse.
func (f *osFile) Preallocate(size int64) error {
	old, err := f.Size()
	if err != nil || old >= size {
		return err
	}
	if f.sparse.Load() || f.crampedBy(size-old) {
		return f.Truncate(size)
	}
	for {
		err = unix.Fallocate(int(f.Fd()), 0, old, size-old)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		f.sparse.Store(true)
		return f.Truncate(size)
	}
	if err != nil {
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return nil
}

// crampedBy reports whether n more bytes would take a good part of the room
// that the file system has left.
func (f *osFile) crampedBy(n int64) bool {
	const part = 8
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return false
	}
	return st.Type == unix.TMPFS_MAGIC || int64(st.Bavail)*st.Bsize/part < n
}
