//go:build !linux

package vfs

// Elsewhere than on Linux there is no fdatasync and no fallocate to rely on:
// os.File.Sync does more than is needed, and files grow sparse.

func (f *osFile) StartSync(off, n int64) error { return nil }

func (f *osFile) Preallocate(size int64) error {
	old, err := f.Size()
	if err != nil || old >= size {
		return err
	}
	f.sparse.Store(true)
	return f.Truncate(size)
}
