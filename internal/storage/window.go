package storage

import (
	"bufio"
	"encoding/binary"
	"io"
)

// windowSize is how much is read at once.
const windowSize = 1 << 20

// window is a reader's view of the bytes to come: peek looks, skip goes on.
// It hands out slices of its buffer, valid until the next peek, and keeps the
// running Adler-32 of all bytes skipped if summing is set.
//
// With ahead set it is a view into the buffer of that reader and takes no byte
// from it that was not skipped; give hands back the rest. Only what does not
// fit that buffer is gathered in its own.
type window struct {
	r          io.Reader
	ahead      Peeker
	own        []byte // set while buf is not the buffer of ahead
	spare      []byte // own before
	buf        []byte
	start, end int   // the bytes not yet skipped
	off        int64 // of buf[start] in the stream
	err        error // from r, io.EOF included

	summing bool
	sum     uint32
	summed  int // buf[:summed] is in sum
}

// newWindow returns a window on r, of which about size bytes are to come.
func newWindow(r io.Reader, size int64, summing bool) *window {
	const smallest = 4 << 10
	return &window{r: r, buf: make([]byte, max(smallest, min(windowSize, size))), summing: summing, sum: 1}
}

// peek returns the next n bytes, or fewer and the reason: io.EOF at the end
// of the stream.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.start < n {
		w.fill(n)
		if w.end-w.start < n {
			return w.buf[w.start:w.end], w.err
		}
	}
	return w.buf[w.start : w.start+n], nil
}

// fill reads until n bytes are there or the stream ends. The buffer grows
// only as bytes arrive, so that a wild length costs no memory.
func (w *window) fill(n int) {
	w.addSum()
	if w.ahead != nil && w.look(n) {
		return
	}
	if w.start > 0 {
		copy(w.buf, w.buf[w.start:w.end])
		w.end -= w.start
		w.start, w.summed = 0, 0
	}
	for idle := 0; w.end < n && w.err == nil; {
		if w.end == len(w.buf) {
			bigger := make([]byte, min(2*len(w.buf), n+windowSize))
			copy(bigger, w.buf)
			w.buf = bigger
		}
		room := len(w.buf)
		if w.ahead != nil {
			room = min(room, n) // what follows is not ours
		}
		k, err := w.r.Read(w.buf[w.end:room])
		w.end += k
		w.err = err
		if idle++; k > 0 {
			idle = 0
		} else if idle > 100 && err == nil {
			w.err = io.ErrNoProgress
		}
	}
}

// look shows what ahead has in its buffer, n bytes or more. It returns false
// if so much does not fit there: what there is is then in a buffer that fill
// can add to.
func (w *window) look(n int) bool {
	if w.own != nil && w.start < w.end {
		return false
	}
	w.give()
	b, err := w.ahead.Peek(n)
	if err == nil {
		b, err = w.ahead.Peek(max(n, w.ahead.Buffered()))
	}
	if err != bufio.ErrBufferFull {
		w.buf, w.start, w.end, w.summed, w.err = b, 0, len(b), 0, err
		return true
	}
	if w.spare == nil {
		w.spare = make([]byte, 2*len(b))
	}
	w.own, w.spare = w.spare, nil
	w.buf, w.start, w.summed = w.own, 0, 0
	w.end = copy(w.buf, b)
	_, w.err = w.ahead.Discard(w.end)
	return false
}

// give takes what was skipped from ahead and leaves it the rest.
func (w *window) give() {
	if w.own != nil {
		w.own, w.spare = nil, w.buf
	} else if w.start > 0 {
		_, w.err = w.ahead.Discard(w.start) // they were peeked at: it cannot fail
	}
	w.buf, w.start, w.end, w.summed = nil, 0, 0, 0
}

// skip goes on by n bytes that peek has shown.
func (w *window) skip(n int) {
	w.start += n
	w.off += int64(n)
}

// addSum brings the sum up to the bytes skipped so far.
func (w *window) addSum() {
	if w.summing && w.summed < w.start {
		w.sum = checksum(w.sum, w.buf[w.summed:w.start])
	}
	w.summed = w.start
}

// checksum returns the sum of everything skipped so far.
func (w *window) checksum() uint32 {
	w.addSum()
	return w.sum
}

func be32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }

func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
