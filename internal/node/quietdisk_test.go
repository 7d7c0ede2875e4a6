package node

import (
	"strings"

	"zooid/internal/vfs"
)

// quietDisk is a disk whose logs take what is written without keeping it or
// allocating anything, for tests that measure the server around it.
type quietDisk struct{ vfs.FS }

func newQuietDisk() vfs.FS { return quietDisk{vfs.NewMem()} }

// Create implements vfs.FS.
func (d quietDisk) Create(name string) (vfs.File, error) {
	f, err := d.FS.Create(name)
	if err == nil && strings.Contains(name, "/log.") {
		f = quietFile{f}
	}
	return f, err
}

type quietFile struct{ vfs.File }

func (quietFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (quietFile) Sync() error                            { return nil }
func (quietFile) Preallocate(int64) error                { return nil }
