package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"zooid/internal/vfs"
)

// The epoch files of a quorum peer, in dataDir/version-2.
const (
	AcceptedEpoch = "acceptedEpoch"
	CurrentEpoch  = "currentEpoch"
)

// ReadEpoch returns the number in an epoch file; ok is false if there is no
// such file.
func (d *Dirs) ReadEpoch(name string) (epoch int64, ok bool, err error) {
	p := path.Join(d.Snap, name)
	b, err := vfs.ReadFile(d.FS, p)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	epoch, perr := strconv.ParseInt(strings.TrimRight(line, "\r"), 10, 64)
	if perr != nil {
		return 0, false, &DamageError{File: p, Reason: fmt.Sprintf("%q is not a decimal number", line),
			Remedy: "write the epoch of the last transaction into it, or restore the directory from another server"}
	}
	return epoch, true, nil
}

// WriteEpoch replaces an epoch file in one durable step.
func (d *Dirs) WriteEpoch(name string, epoch int64) error {
	return vfs.ReplaceFile(d.FS, path.Join(d.Snap, name), strconv.AppendInt(nil, epoch, 10))
}
