package quorumport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// part is what the writer writes in one go: bytes, or a stream.
type part struct {
	mem     *Buffer
	n       int // bytes in mem
	packets int // in mem, as far as they are counted
	queued  int // packets in the whole queue when this is taken from it
	since   time.Time
	stream  func(w io.Writer) error
}

// Meter is told what the writer takes from the queue of a link: how many packets
// were in the queue, how many it takes, and how long the oldest of those has
// waited. It is called on the writer goroutine.
type Meter func(queued, taken int, waited time.Duration)

// Measure has a meter told from now on, and Measured says that there is one.
func (l *Link) Measure(m Meter) { l.meter.Store(&m) }

// Measured says whether the link has a meter.
func (l *Link) Measured() bool { return l.meter.Load() != nil }

const (
	// pieceMost is how many bytes are gathered into one write; more than that
	// in one Send still is one.
	pieceMost = 256 << 10
	// streamPiece is the buffer of a stream, and what the peer must take of it
	// within the read timeout.
	streamPiece = 64 << 10
)

// States of Link.stream.
const (
	notStreaming = 0
	streaming    = -1 // and not waiting for the peer
)

// Send queues a copy of b behind everything that was queued before; it never
// waits. A link that has more than MaxQueue bytes waiting then is closed with
// ErrLinkQueue. On a link that is over it does nothing.
func (l *Link) Send(b []byte) { l.SendPackets(b, 0) }

// SendPackets is Send for bytes of which the meter is told how many packets
// they are.
func (l *Link) SendPackets(b []byte, packets int) {
	if len(b) == 0 {
		return
	}
	l.mu.Lock()
	if l.ended || l.flushing {
		l.mu.Unlock()
		return
	}
	if n := l.putNow(b, packets); n > 0 {
		if b = b[n:]; len(b) == 0 {
			l.mu.Unlock()
			return
		}
		packets = 0 // they are counted
	}
	l.queued += len(b)
	l.share.add(len(b))
	if err := l.tooMuch(); err != nil {
		l.endLocked(err)
		l.mu.Unlock()
		l.hangUp()
		return
	}
	p := l.lastPiece(len(b))
	if p.mem == nil {
		p.mem = takeBuffer(len(b))
	} else if p.n+len(b) > len(p.mem.b) {
		bigger := takeBuffer(max(2*p.n, p.n+len(b)))
		copy(bigger.b, p.mem.b[:p.n])
		Recycle(p.mem)
		p.mem = bigger
	}
	p.n += copy(p.mem.b[p.n:], b)
	if p.packets == 0 {
		p.since = time.Now()
	}
	p.packets += packets
	l.packets += packets
	l.wake.Signal()
	l.mu.Unlock()
}

// fewBytes is how much may be written by whoever sends it.
const fewBytes = 16 << 10

// putNow writes what the socket takes at once, if nobody else is at it, and
// returns how much that is: waking the writer costs more than a small write. An
// error is left to the writer, which finds it too. l.mu is held.
func (l *Link) putNow(b []byte, packets int) int {
	if l.direct == nil || l.busy || l.head < len(l.queue) || len(b) > fewBytes {
		return 0
	}
	var n int
	if l.pen != nil {
		n = l.sealNow(b)
	} else {
		n = l.tryWrite(b)
	}
	l.BytesSent.Add(int64(n))
	if meter := l.meter.Load(); n > 0 && meter != nil && packets > 0 {
		(*meter)(packets, packets, 0)
	}
	return n
}

// tryWrite writes what the socket takes at once and returns how much that is.
func (l *Link) tryWrite(b []byte) int {
	l.now.b, l.now.n = b, 0
	_ = l.direct.Write(l.now.once)
	l.now.b = nil
	return l.now.n
}

// directWrite is a write by who sends.
type directWrite struct {
	b    []byte
	n    int
	once func(fd uintptr) bool
}

// write tries once; it never waits.
func (w *directWrite) write(fd uintptr) bool {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(w.b))), uintptr(len(w.b)))
	if errno == 0 {
		w.n = int(n)
	}
	return true
}

// tooMuch says why no more can be queued; l.mu is held.
func (l *Link) tooMuch() error {
	switch all := l.share.waiting(); {
	case l.o.MaxQueue > 0 && l.queued > l.o.MaxQueue:
		return fmt.Errorf("%w: %d bytes wait for it, and %d may", ErrLinkQueue, l.queued, l.o.MaxQueue)
	case all > 0 && all > l.share.most:
		return fmt.Errorf("%w: %d bytes wait for it, and %d for all servers that are not in the configuration, of %d that may",
			ErrLinkQueue, l.queued, all, l.share.most)
	}
	return nil
}

// QueueShare bounds what may wait to be written on several links together.
type QueueShare struct {
	most int64
	used atomic.Int64
}

// NewQueueShare returns a share of so many bytes.
func NewQueueShare(most int64) *QueueShare { return &QueueShare{most: most} }

func (s *QueueShare) add(n int) {
	if s != nil {
		s.used.Add(int64(n))
	}
}

func (s *QueueShare) waiting() int64 {
	if s == nil {
		return 0
	}
	return s.used.Load()
}

// Share has what waits on the link count in a share from now on, and no longer
// in another one; nil for none. The link that makes it too much is closed with
// ErrLinkQueue.
func (l *Link) Share(s *QueueShare) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.share != s {
		l.share.add(-l.queued)
		l.share = s
		l.share.add(l.queued)
	}
}

// lastPiece is the bytes at the end of the queue to which n more belong.
func (l *Link) lastPiece(n int) *part {
	if len(l.queue) > l.head {
		if p := &l.queue[len(l.queue)-1]; p.stream == nil && p.n+n <= pieceMost {
			return p
		}
	}
	l.push(part{})
	return &l.queue[len(l.queue)-1]
}

// push appends to the queue, where the writer has made room if it can.
func (l *Link) push(p part) {
	if len(l.queue) == cap(l.queue) && l.head > len(l.queue)/2 {
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, p)
}

// Stream queues a bulk part: f is called on the writer goroutine once all that
// was queued before is written, and what is sent later follows what it
// writes. w is buffered and flushed afterwards. An error of f ends the link. f
// must return soon after w has failed.
func (l *Link) Stream(f func(w io.Writer) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.flushing {
		return
	}
	l.push(part{stream: f})
	l.wake.Signal()
}

// write is the writer.
func (l *Link) write() {
	defer close(l.written)
	for {
		p, ok := l.next()
		if !ok {
			_ = l.pen.dip() // of a link that is over, or whose deadline is set
			l.sayGoodbye()
			return
		}
		if meter := l.meter.Load(); meter != nil && p.packets > 0 {
			(*meter)(p.queued, p.packets, time.Since(p.since))
		}
		err := l.writePart(&p)
		Recycle(p.mem)
		l.mu.Lock()
		l.busy = false
		if !l.ended {
			l.queued -= p.n
			l.share.add(-p.n)
		}
		flushing := l.flushing && !l.ended
		l.mu.Unlock()
		if err != nil {
			if flushing {
				l.o.Log.Warn("link closed before everything was sent", "remote", l.RemoteAddr(), "error", err)
			}
			l.Close(err)
			return
		}
	}
}

// writePart writes what was taken from the queue, behind what is in the pen.
func (l *Link) writePart(p *part) error {
	l.writeDeadline()
	if err := l.pen.dip(); err != nil {
		return l.unread(0, err)
	}
	defer l.pen.wipe()
	switch {
	case p.stream != nil:
		return l.runStream(p.stream)
	case p.mem != nil:
		return l.put(p.mem.b[:p.n])
	}
	return nil
}

// writeDeadline sets the time that the peer has to read a piece.
func (l *Link) writeDeadline() {
	if l.o.TakesWithin <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.flushing { // which has a deadline of its own
		l.nc.SetWriteDeadline(time.Now().Add(l.o.TakesWithin))
	}
}

// put writes b, as far as the peer reads it in time.
func (l *Link) put(b []byte) error {
	for len(b) > 0 {
		l.writeDeadline()
		n, err := l.nc.Write(b[:min(len(b), pieceMost)])
		l.BytesSent.Add(int64(n))
		if err != nil {
			return l.unread(min(len(b), pieceMost)-n, err)
		}
		b = b[n:]
	}
	return nil
}

// unread says of a write that ended for the time what that means.
func (l *Link) unread(left int, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: it left %d bytes unread for %v", ErrLinkQueue, left, l.o.TakesWithin)
	}
	return err
}

// next waits for something to write; false at the end.
func (l *Link) next() (part, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended {
		if l.head < len(l.queue) {
			l.busy = true
			p := l.queue[l.head]
			p.queued = l.packets
			l.packets -= p.packets
			l.queue[l.head] = part{}
			if l.head++; l.head == len(l.queue) {
				l.queue, l.head = l.queue[:0], 0
			}
			return p, true
		}
		if l.flushing {
			break
		}
		l.wake.Wait()
	}
	return part{}, false
}

// sayGoodbye ends the output, so that the peer ends its own.
func (l *Link) sayGoodbye() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		l.farewell(flushGrace)
		return
	}
	l.farewell(0)
}

func (l *Link) runStream(f func(w io.Writer) error) error {
	start, before := time.Now(), l.BytesSent.Load()
	l.stream.Store(streaming)
	l.noWriteDeadline()
	w := bufio.NewWriterSize(streamWriter{l}, streamPiece)
	err := f(w)
	if err == nil {
		err = w.Flush()
	}
	l.streamEnded.Store(int64(time.Since(l.born)))
	l.stream.Store(notStreaming)
	if err != nil {
		return fmt.Errorf("bulk part for the learner: %w", err)
	}
	l.o.Log.Debug("bulk part written", "remote", l.RemoteAddr(),
		"bytes", l.BytesSent.Load()-before, "took", time.Since(start))
	return nil
}

// noWriteDeadline takes that of put off for a stream, whose end the read timeout
// and the other side's limits decide.
func (l *Link) noWriteDeadline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.flushing {
		l.nc.SetWriteDeadline(time.Time{})
	}
}

// streamWriter writes a stream and notes how long the peer lets it wait.
type streamWriter struct{ l *Link }

func (w streamWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		w.l.stream.Store(max(1, int64(time.Since(w.l.born))))
		k, err = w.l.nc.Write(b[n:min(len(b), n+streamPiece)])
		w.l.stream.Store(streaming)
		w.l.BytesSent.Add(int64(k))
		n += k
	}
	return n, err
}

// alive is the last moment at which a stream showed that the peer reads.
func (l *Link) alive(now time.Time) time.Time {
	switch s := l.stream.Load(); s {
	case notStreaming:
		return l.born.Add(time.Duration(l.streamEnded.Load()))
	case streaming:
		return now
	default:
		return l.born.Add(time.Duration(s))
	}
}
