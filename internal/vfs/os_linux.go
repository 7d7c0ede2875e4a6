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

func (f *osFile) Preallocate(size int64) error {
	old, err := f.Size()
	if err != nil || old >= size {
		return err
	}
	if !f.sparse.Load() {
		for {
			err = unix.Fallocate(int(f.Fd()), 0, old, size-old)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
			return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
		f.sparse.Store(true)
	}
	return f.Truncate(size)
}
