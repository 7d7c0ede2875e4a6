package storage

import (
	"fmt"
	"io"
	"path"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// sector is the unit in which disks write: of a write that was not synced
// before a crash, each sector is there or is not. One that is not reads as
// the zeros that preallocation left.
const sector = 512

// TornError says that a log ends with a record that a crash interrupted. It
// was never synced, so it was never acknowledged: the log is whole without
// it.
type TornError struct {
	File    string
	Offset  int64 // the log ends here
	Dropped int64 // bytes from Offset to the last one that is not zero
	Reason  string
}

// Error implements error.
func (e *TornError) Error() string {
	return fmt.Sprintf("%s ends at offset %d with a record torn by a crash (%d bytes, never acknowledged): %s",
		e.File, e.Offset, e.Dropped, e.Reason)
}

// torn judges the record of n bytes at start that is not valid: a *TornError
// if a crash can have left it so, else a *DamageError.
//
// A killed process leaves the beginning of a record and zeros behind it. A
// machine that loses its power leaves whole sectors of zeros in what was
// being written, or ends the file early; sectors behind them may be there,
// but no further than tornWindow, as the writer syncs at least that often.
// Apache's reader asks for less: it takes every record without its end mark
// for the end of the log and goes on, which would lose acknowledged
// transactions behind a damaged one.
func (r *LogReader) torn(start, n int64, reason string) error {
	tail, err := r.tail(start, n+tornWindow)
	if err != nil {
		return r.readError(start, err)
	}
	last := len(tail)
	for last > 0 && tail[last-1] == 0 {
		last--
	}
	if int64(last) >= n && !lostSector(tail, start, n, r.size) {
		return r.damage(start, reason, r.remedy(start))
	}
	if r.hiddenRecord(tail) {
		return r.damage(start, reason+"; under another length it is whole", r.remedy(start))
	}
	if more, err := r.dataBeyond(start + int64(len(tail))); err != nil {
		return r.readError(start, err)
	} else if more {
		return r.damage(start, reason+fmt.Sprintf(", and more than %d bytes behind it there is data", tornWindow), r.remedy(start))
	}
	return &TornError{File: r.file.Name(), Offset: start, Dropped: int64(last), Reason: reason}
}

// endOfLog checks that a record head of zeros is the end of the log and not a
// hole in it.
func (r *LogReader) endOfLog(start int64) error {
	tail, err := r.tail(start, tornWindow)
	if err != nil {
		return r.readError(start, err)
	}
	if allZero(tail) {
		return io.EOF
	}
	return r.torn(start, recordHead, "a record begins with zeros and there is data behind it")
}

// tail returns up to n bytes of the file from start on.
func (r *LogReader) tail(start, n int64) ([]byte, error) {
	b := make([]byte, max(0, min(n, r.size-start)))
	k, err := r.file.ReadAt(b, start)
	if err == io.EOF {
		err = nil
	}
	return b[:k], err
}

// dataBeyond reports whether there is data right behind the bytes that a
// crash can have touched. It looks at one window's worth only: a hole of that
// size and data after it has no cause that is known.
func (r *LogReader) dataBeyond(off int64) (bool, error) {
	b, err := r.tail(off, tornWindow)
	return !allZero(b), err
}

// lostSector reports whether the record of n bytes at start, whose first
// bytes are tail, misses a whole sector or its end. The sector in which the
// record begins also holds older bytes, which were synced: of it only the
// part from start on can be lost.
func lostSector(tail []byte, start, n, size int64) bool {
	if start+n > size {
		return true
	}
	for s := start / sector * sector; s < start+n; s += sector {
		from, to := max(s, start)-start, min(s+sector, size)-start
		if to > int64(len(tail)) {
			return false
		}
		if allZero(tail[from:to]) {
			return true
		}
	}
	return false
}

// hiddenRecord reports whether a valid entry stands at the front of tail
// whose length field alone is wrong: then it is the length that was damaged.
func (r *LogReader) hiddenRecord(tail []byte) bool {
	if len(tail) < recordHead+wire.TxnHeaderSize {
		return false
	}
	raw := tail[recordHead:]
	d := jute.NewDecoder(raw)
	var h wire.TxnHeader
	h.Decode(&d)
	n, ok := wire.TxnBodySize(h.Type, d.Rest())
	if !ok {
		return false
	}
	for _, extra := range []int{0, 12} {
		end := wire.TxnHeaderSize + n + extra
		if end < len(raw) && raw[end] == recordEnd && be64(tail) == int64(checksum(1, raw[:end])) {
			return true
		}
	}
	return false
}

// wildLength judges a record whose length no record can have.
func (r *LogReader) wildLength(start, n int64) error {
	remedy := r.remedy(start)
	if n > 0 {
		remedy = "if it was written by a server with a larger jute.maxbuffer set the same here; else " + remedy
	}
	return r.damage(start, fmt.Sprintf("a record claims a length of %d bytes, allowed are 1 to %d", n, r.limits.field()), remedy)
}

func (r *LogReader) remedy(start int64) string {
	name := path.Base(r.file.Name())
	s := "restore the file from a backup or another server"
	if r.last != 0 {
		s += fmt.Sprintf("; or, giving up every transaction behind 0x%x, cut the log there: zkTxnLogToolkit.sh -c -z %d %s", r.last, r.last, name)
	}
	return s
}
