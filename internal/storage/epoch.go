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

// nextEpoch is left behind by an Apache server that was stopped while it
// wrote currentEpoch (AtomicFileOutputStream): all that it had to make durable
// before was.
const nextEpoch = CurrentEpoch + ".tmp"

// EpochError says that the epoch files do not fit what the server has logged,
// or each other. A server that started all the same could break a promise
// that it gave to a leader.
type EpochError struct {
	File   string
	Reason string
	Remedy string
}

// Error implements error.
func (e *EpochError) Error() string { return e.File + ": " + e.Reason + "; " + e.Remedy }

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
	reason := ""
	switch {
	case perr != nil:
		reason = "is not a decimal number"
	case epoch < noEpoch || epoch > lastEpoch:
		// A leader would begin the epoch behind it, for the whole ensemble.
		reason = "cannot be an epoch"
	default:
		return epoch, true, nil
	}
	return 0, false, &DamageError{File: p, Reason: fmt.Sprintf("%q %s", line, reason),
		Remedy: "write the epoch of the last transaction into it, or restore the directory from another server"}
}

// An epoch is a number from 0 to lastEpoch, as a zxid is never negative; noEpoch
// is that of a server that must not vote.
const noEpoch, lastEpoch = -1, 1<<31 - 1

// WriteEpoch replaces an epoch file in one durable step.
func (d *Dirs) WriteEpoch(name string, epoch int64) error {
	return vfs.ReplaceFile(d.FS, path.Join(d.Snap, name), strconv.AppendInt(nil, epoch, 10))
}

// LoadEpochs returns the epochs of a quorum peer whose last transaction is
// lastZxid, by the rules of QuorumPeer.loadDataBase: a file that is missing is
// written with the epoch of lastZxid (-1 for a server that must not vote). A
// currentEpoch older than lastZxid is refused, unless a left-over
// currentEpoch.tmp or an acceptedEpoch as new explains it. An acceptedEpoch
// below currentEpoch is refused. A refusal is an *EpochError, or a
// *DamageError for a file that is no number, and changes no file.
func LoadEpochs(d *Dirs, lastZxid int64) (accepted, current int64, err error) {
	epoch := epochOf(lastZxid)
	current, haveCurrent, err := d.ReadEpoch(CurrentEpoch)
	if err != nil {
		return 0, 0, err
	}
	if !haveCurrent {
		current = epoch
	}
	writeCurrent := !haveCurrent
	if epoch > current {
		if current, err = d.interrupted(current, lastZxid); err != nil {
			return 0, 0, err
		}
		writeCurrent = true
	}
	accepted, haveAccepted, err := d.ReadEpoch(AcceptedEpoch)
	if err != nil {
		return 0, 0, err
	}
	if !haveAccepted {
		accepted = epoch
	}
	if accepted < current {
		return 0, 0, d.acceptedBelow(accepted, current, epoch)
	}
	if writeCurrent {
		if err := d.WriteEpoch(CurrentEpoch, current); err != nil {
			return 0, 0, err
		}
	}
	if !haveAccepted {
		if err := d.WriteEpoch(AcceptedEpoch, accepted); err != nil {
			return 0, 0, err
		}
	}
	return accepted, current, nil
}

// acceptedBelow is the refusal of an accepted epoch below the current one. Which
// of the files is damaged is known only if the log bears the current epoch out.
func (d *Dirs) acceptedBelow(accepted, current, logged int64) error {
	remedy := fmt.Sprintf("write %d into the file, which is always safe, or restore the directory from a backup", current)
	if current > logged {
		remedy = fmt.Sprintf("if %s is right, write %d into this file; if that is the damaged one, write the epoch of the last transaction, "+
			"%d, into that; or restore the directory from a backup", CurrentEpoch, current, logged)
	}
	return &EpochError{path.Join(d.Snap, AcceptedEpoch),
		fmt.Sprintf("the accepted epoch %d is less than the current epoch %d", accepted, current), remedy}
}

// interrupted returns the current epoch of a server that was stopped before
// it could write it.
func (d *Dirs) interrupted(current, lastZxid int64) (int64, error) {
	epoch := epochOf(lastZxid)
	next, ok, err := d.ReadEpoch(nextEpoch)
	if err == nil && ok && next >= epoch {
		return next, nil
	}
	// A leader whose epoch this server had accepted was bringing it up to date.
	// That the history of the epoch of lastZxid is complete up to there is
	// certain, as a history arrives in order, and no more than that may be
	// claimed in an election. Apache's server refuses (ZOOKEEPER-1653).
	accepted, haveAccepted, aerr := d.ReadEpoch(AcceptedEpoch)
	if aerr == nil && haveAccepted && accepted >= epoch {
		return epoch, nil
	}
	if err != nil {
		return 0, err
	}
	if aerr != nil {
		return 0, aerr
	}
	return 0, &EpochError{path.Join(d.Snap, CurrentEpoch),
		fmt.Sprintf("the current epoch %d is older than the last transaction 0x%x", current, lastZxid),
		fmt.Sprintf("if the file was restored from an older backup than the logs, write %d into it, and into %s if that is less; "+
			"else move the directory away and let this server copy everything from the leader", epoch, AcceptedEpoch)}
}
