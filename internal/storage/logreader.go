package storage

import (
	"encoding/binary"
	"fmt"
	"io"

	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// Entry is one transaction of a log. Its slices are valid until the next
// call of Next.
type Entry struct {
	Offset   int64  // of the record in the file
	Checksum uint32 // Adler-32 of Raw
	Raw      []byte // header, body and digest
	Header   wire.TxnHeader
	Body     []byte
	Digest   *wire.TxnDigest // nil if there is none
	digest   wire.TxnDigest
}

// End returns the offset behind the record.
func (e *Entry) End() int64 { return e.Offset + int64(len(e.Raw)) + recordExtra }

// LogReader reads one log file from front to back.
type LogReader struct {
	file   vfs.File
	size   int64
	limits Limits
	win    *window
	entry  Entry
	last   int64 // zxid of the last entry
	err    error
}

// OpenLogReader opens a log file and checks its header. A file that ends
// inside the header, or has zeros there, is a *TornError: it was created and
// never synced.
func OpenLogReader(fs vfs.FS, name string, limits Limits) (*LogReader, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	r := &LogReader{file: f, size: size, limits: limits}
	r.win = newWindow(&vfs.Reader{File: f}, size, false)
	if err := r.readHeader(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *LogReader) readHeader() error {
	h, err := r.win.peek(logHeaderSize)
	if err != nil && err != io.EOF {
		return r.readError(0, err)
	}
	if err == io.EOF || allZero(h) {
		return r.torn(0, logHeaderSize, "the file header is not complete")
	}
	if m := binary.BigEndian.Uint32(h); m != logMagic {
		return r.damage(0, fmt.Sprintf("it begins with 0x%08x and not with the magic number of a transaction log", m), "")
	}
	r.win.skip(logHeaderSize)
	return nil
}

// Version and DBID return the two header fields that nobody checks.
func (r *LogReader) Version() int32 { return r.headerInt(4) }

// DBID returns the database id in the header, 0 in all known files.
func (r *LogReader) DBID() int64 {
	return int64(r.headerInt(8))<<32 | int64(uint32(r.headerInt(12)))
}

func (r *LogReader) headerInt(off int64) int32 {
	var b [4]byte
	if _, err := r.file.ReadAt(b[:], off); err != nil {
		return 0
	}
	return be32(b[:])
}

// Next returns the next entry. At the end of the log it returns io.EOF; at a
// record that a crash tore, with no more than that behind it, a *TornError;
// at anything else that is no valid record a *DamageError. An error stays.
func (r *LogReader) Next() (*Entry, error) {
	if r.err == nil {
		r.err = r.next()
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.entry, nil
}

func (r *LogReader) next() error {
	start := r.win.off
	head, err := r.win.peek(recordHead)
	if err != nil && err != io.EOF {
		return r.readError(start, err)
	}
	if err == io.EOF {
		if allZero(head) {
			return io.EOF
		}
		return r.torn(start, recordExtra, "the file ends inside a record")
	}
	n := int64(be32(head[8:]))
	switch {
	case n == 0 && allZero(head):
		return r.endOfLog(start)
	case n == 0:
		return r.torn(start, recordHead, "a record has a checksum and no length")
	case n < 0 || n > int64(r.limits.field()):
		return r.wildLength(start, n)
	}
	rec, err := r.win.peek(recordHead + int(n) + 1)
	if err != nil && err != io.EOF {
		return r.readError(start, err)
	}
	if err == io.EOF {
		return r.torn(start, n+recordExtra, "the file ends inside a record")
	}
	return r.check(start, rec)
}

// check takes the whole record rec for the entry if it is a valid one.
func (r *LogReader) check(start int64, rec []byte) error {
	raw := rec[recordHead : len(rec)-1]
	want := binary.BigEndian.Uint64(rec)
	sum := checksum(1, raw)
	if end := rec[len(rec)-1]; end != recordEnd {
		return r.torn(start, int64(len(rec)), fmt.Sprintf("a record ends with 0x%02x and not with its end mark", end))
	}
	if want != uint64(sum) {
		return r.torn(start, int64(len(rec)),
			fmt.Sprintf("a record's checksum is 0x%x but its content gives 0x%x", want, sum))
	}
	e := &r.entry
	e.Offset, e.Checksum, e.Raw = start, sum, raw
	if err := e.decode(); err != nil {
		return r.damage(start, err.Error(), "")
	}
	r.last = e.Header.Zxid
	r.win.skip(len(rec))
	return nil
}

// decode splits Raw.
func (e *Entry) decode() error {
	if len(e.Raw) < wire.TxnHeaderSize {
		return fmt.Errorf("a record of %d bytes is too short for a transaction header", len(e.Raw))
	}
	d := jute.NewDecoder(e.Raw)
	e.Header.Decode(&d)
	rest := d.Rest()
	n, ok := wire.TxnBodySize(e.Header.Type, rest)
	if !ok {
		return fmt.Errorf("the body of transaction 0x%x of type %d cannot be decoded", e.Header.Zxid, e.Header.Type)
	}
	e.Body, e.Digest = rest[:n:n], nil
	d = jute.NewDecoder(rest[n:])
	e.digest.Decode(&d)
	if d.Err() == nil {
		e.Digest = &e.digest
	}
	return nil
}

// Offset returns the offset behind the last entry: where the log ends once
// Next has returned an error.
func (r *LogReader) Offset() int64 { return r.win.off }

// Size returns the length of the file in bytes.
func (r *LogReader) Size() int64 { return r.size }

// Name returns the path of the file.
func (r *LogReader) Name() string { return r.file.Name() }

// Close closes the file.
func (r *LogReader) Close() error { return r.file.Close() }

func (r *LogReader) readError(off int64, err error) error {
	return fmt.Errorf("read transaction log %s at offset %d: %w", r.file.Name(), off, err)
}

func (r *LogReader) damage(off int64, reason, remedy string) error {
	if remedy == "" {
		remedy = "restore the file from a backup or another server, or see what it holds with zkTxnLogToolkit.sh"
	}
	return &DamageError{File: r.file.Name(), Offset: off, Reason: reason, Remedy: remedy}
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
