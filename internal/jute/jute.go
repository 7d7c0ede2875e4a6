// Package jute is ZooKeeper's binary encoding: big-endian integers and
// length-prefixed strings, buffers and vectors, with no tags and no padding.
//
// It stands at the very bottom of every way a byte takes: frames of the client
// port, transaction log entries and snapshots are all made of it. Encoding
// appends to a slice of the caller's; decoding hands out slices of the input
// and never copies, so a decoded value lives as long as the input does. The
// package must never allocate on the way, panic on any input, or know what a
// record means (that is package wire).
//
// The rules are those of org.apache.jute.BinaryInputArchive and
// BinaryOutputArchive.
package jute

import (
	"encoding/binary"
	"errors"
)

// ErrShort says that the input ended inside a value.
var ErrShort = errors.New("jute: input ends inside a value")

// ErrLength says that a string, buffer or vector announces a length that is
// negative (other than -1, which is null) or reaches past the input.
var ErrLength = errors.New("jute: unreasonable length")

// AppendBool appends one byte, 1 for true.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendInt appends a 4-byte two's complement integer.
func AppendInt(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

// AppendLong appends an 8-byte two's complement integer.
func AppendLong(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

// AppendBuffer appends a buffer; nil becomes the null buffer (length -1), an
// empty slice the empty one.
func AppendBuffer(b, v []byte) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	return append(AppendInt(b, int32(len(v))), v...)
}

// AppendString appends a ustring that is never null.
func AppendString(b []byte, s string) []byte {
	return append(AppendInt(b, int32(len(s))), s...)
}

// AppendText appends a ustring held as bytes; nil becomes the null string.
func AppendText(b, s []byte) []byte {
	return AppendBuffer(b, s)
}

// PutInt overwrites the 4 bytes at b[0:4]; it back-patches lengths and counts
// that are known only once their content has been appended.
func PutInt(b []byte, v int32) {
	binary.BigEndian.PutUint32(b, uint32(v))
}

// Decoder reads values from the front of a byte slice. The first failure
// sticks: every later read returns zero values, so that a record is decoded in
// full and Err is looked at once.
type Decoder struct {
	buf []byte
	off int
	err error
}

// NewDecoder returns a decoder over b, which it never changes.
func NewDecoder(b []byte) Decoder { return Decoder{buf: b} }

// Err returns the first failure, ErrShort or ErrLength, or nil.
func (d *Decoder) Err() error { return d.err }

// Len returns the number of bytes that are left.
func (d *Decoder) Len() int { return len(d.buf) - d.off }

// Offset returns the number of bytes read so far.
func (d *Decoder) Offset() int { return d.off }

// Rest returns the bytes that are left, without reading them.
func (d *Decoder) Rest() []byte { return d.buf[d.off:] }

// Since returns the bytes read from offset start (an earlier Offset) up to
// now: the encoded form of the values in between.
func (d *Decoder) Since(start int) []byte { return d.buf[start:d.off:d.off] }

// Fail makes err the failure unless there is one already.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.buf)-d.off {
		d.err = ErrShort
		return nil
	}
	p := d.buf[d.off : d.off+n : d.off+n]
	d.off += n
	return p
}

// Bool reads one byte; any value but 0 is true.
func (d *Decoder) Bool() bool {
	p := d.take(1)
	return p != nil && p[0] != 0
}

// Int reads a 4-byte integer.
func (d *Decoder) Int() int32 {
	p := d.take(4)
	if p == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(p))
}

// Long reads an 8-byte integer.
func (d *Decoder) Long() int64 {
	p := d.take(8)
	if p == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(p))
}

// Buffer reads a buffer: nil for null, a non-nil empty slice for empty.
func (d *Decoder) Buffer() []byte {
	n := d.Int()
	if d.err != nil || n == -1 {
		return nil
	}
	if n < 0 || int(n) > d.Len() {
		d.err = ErrLength
		return nil
	}
	return d.take(int(n))
}

// Text reads a ustring as its bytes: nil for null.
func (d *Decoder) Text() []byte { return d.Buffer() }

// String reads a ustring; null reads as "".
func (d *Decoder) String() string { return string(d.Buffer()) }

// Count reads the element count of a vector whose elements take at least
// minSize bytes each: -1 for a null vector. Any other negative count is an empty
// vector, as Java's loop over it ends at once. A count that the input cannot
// hold is ErrLength, so a caller may size memory by it.
func (d *Decoder) Count(minSize int) int {
	n := d.Int()
	if d.err != nil {
		return 0
	}
	if n < 0 {
		if n == -1 {
			return -1
		}
		return 0
	}
	if int64(n)*int64(minSize) > int64(d.Len()) {
		d.err = ErrLength
		return 0
	}
	return int(n)
}
