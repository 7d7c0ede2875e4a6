package storage

import (
	"encoding/binary"
	"io"
)

// windowSize is how much is read at once.
const windowSize = 1 << 20

// window is a reader's view of the bytes to come: peek looks, skip goes on.
// It hands out slices of its buffer, valid until the next peek, and keeps the
// running Adler-32 of all bytes skipped if summing is set.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int   // the bytes not yet skipped
	off        int64 // of buf[start] in the stream
	err        error // from r, io.EOF included
	exact      bool  // nothing is read that peek does not ask for

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
		room := w.buf[w.end:]
		if w.exact {
			room = room[:min(len(room), n-w.end)]
		}
		k, err := w.r.Read(room)
		w.end += k
		w.err = err
		if idle++; k > 0 {
			idle = 0
		} else if idle > 100 && err == nil {
			w.err = io.ErrNoProgress
		}
	}
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
