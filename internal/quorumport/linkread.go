package quorumport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

const (
	// readMost is how many bytes one read asks for at most.
	readMost = 64 << 10
	// maxBatch is how many packets are handed over at once.
	maxBatch = 1024
	// maxIntroduction bounds the first packet of a learner, which nobody knows
	// yet. LearnerInfo has 20 bytes.
	maxIntroduction = 4 << 10
	// lastLook is how long a read may take that looks, after the time is over,
	// whether there was something after all: a process that did not run for a
	// while finds timer and bytes at once.
	lastLook = 5 * time.Millisecond
)

// input is what the reader has; all but the silence is the reader's own.
type input struct {
	mem      *Buffer
	from, to int // what is unread in mem
	need     int // bytes with which cutting makes sense
	size     int // of the next buffer
	reader   LinkReader
	early    []byte // what was read before the link began
	// greeting is set until a learner has introduced itself.
	greeting *greeting

	mu      sync.Mutex // a deadline and its reason change together
	timeout time.Duration
	since   time.Time // the silence counts from here
	until   time.Time // of the greeting
	kicked  bool
	final   time.Time // the last deadline of all
}

// greeting is what the port wants of a link that has not sent a packet yet.
type greeting struct {
	heard func() // called when the first packet is there
}

// SetReadTimeout gives the peer d from now on to send something, and d after
// each time it has; 0 = no limit. Waiting for the handler does not count.
// While a Stream runs it is enough that the peer takes its bytes, and the time
// starts anew when the stream ends.
func (l *Link) SetReadTimeout(d time.Duration) {
	in := &l.input
	in.mu.Lock()
	defer in.mu.Unlock()
	in.timeout, in.since = d, time.Now()
	if !in.kicked {
		l.nc.SetReadDeadline(in.deadline())
	}
}

// deadline is when the read under way has to be over; in.mu is held.
func (in *input) deadline() time.Time {
	var t time.Time
	if in.timeout > 0 {
		t = in.since.Add(in.timeout)
	}
	if !in.until.IsZero() && (t.IsZero() || in.until.Before(t)) {
		t = in.until
	}
	return t
}

// kick makes the reader come back from its read.
func (l *Link) kick() {
	in := &l.input
	in.mu.Lock()
	defer in.mu.Unlock()
	in.kicked = true
	l.nc.SetReadDeadline(time.Now())
}

// farewell sets the last deadline of all to d from now, if it is not sooner.
func (l *Link) farewell(d time.Duration) {
	in := &l.input
	in.mu.Lock()
	defer in.mu.Unlock()
	if t := time.Now().Add(d); in.final.IsZero() || t.Before(in.final) {
		in.final = t
	}
	l.nc.SetReadDeadline(in.final)
}

// arm sets the deadline of the next read; false when there is to be none.
func (l *Link) arm() bool {
	in := &l.input
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kicked {
		return false
	}
	in.since = time.Now()
	l.nc.SetReadDeadline(in.deadline())
	return true
}

// overdue decides about a read whose deadline has passed: nil to try again.
func (l *Link) overdue(looked *bool) error {
	in := &l.input
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.kicked {
		return ErrLinkClosed
	}
	now := time.Now()
	if alive := l.alive(now); alive.After(in.since) {
		in.since = alive
	}
	due := in.deadline()
	switch {
	case due.IsZero() || now.Before(due):
		l.nc.SetReadDeadline(due)
	case !*looked:
		*looked = true
		l.nc.SetReadDeadline(now.Add(lastLook))
	case !in.until.IsZero() && !now.Before(in.until):
		return fmt.Errorf("%w: no first packet in time", ErrStranger)
	default:
		return fmt.Errorf("%w (%v)", ErrLinkSilent, in.timeout)
	}
	return nil
}

// receive cuts the stream into batches until it ends.
func (l *Link) receive() error {
	in := &l.input
	for !l.stopped.Load() {
		n, snap, err := l.cut()
		if n == 0 && err == nil {
			err = l.fill()
			if err == io.EOF && in.to > in.from {
				err = fmt.Errorf("connection ended inside a packet: %w", io.ErrUnexpectedEOF)
			}
		}
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		mem := l.take(n)
		l.h.Packets(l, mem.packets, mem)
		if snap && !l.stopped.Load() {
			if err := l.h.Snapshot(l, &in.reader); err != nil {
				return fmt.Errorf("snapshot from the leader: %w", err)
			}
		}
	}
	return ErrLinkClosed
}

// cut decodes the whole packets of the input and returns how many bytes they
// take. It stops behind a SNAP of the leader. What is bad is an error once
// everything before it is gone.
func (l *Link) cut() (n int, snap bool, err error) {
	in := &l.input
	have := in.mem.b[in.from:in.to]
	if in.greeting != nil && len(have) >= 4 {
		if err := l.meet(have); err != nil {
			return 0, false, err
		}
	}
	if len(have) < in.need {
		return 0, false, nil
	}
	in.need = 1
	packets := in.mem.packets
	for len(packets) < maxBatch && n < len(have) {
		packets = append(packets, wire.QuorumPacket{})
		p := &packets[len(packets)-1]
		limit := l.o.MaxPacket
		if in.greeting != nil {
			limit = min(limit, maxIntroduction)
		}
		size, err := p.Decode(have[n:], limit)
		if err != nil {
			packets = packets[:len(packets)-1]
			if err == jute.ErrShort {
				in.need = size
				break
			}
			if len(packets) > 0 {
				break // those before it first
			}
			kind := wire.PacketType(binary.BigEndian.Uint32(have[n:]))
			return 0, false, badPacket("%v announces a negative length, or more than %d bytes: "+
				"either no server speaks there, or jute.maxbuffer is larger over there", kind, limit)
		}
		n += size
		if in.greeting != nil {
			l.introduced()
		}
		if snap = l.dialled && p.Type == wire.PacketSnap; snap {
			break
		}
	}
	in.mem.packets = packets
	return n, snap, nil
}

// meet refuses whoever does not start like a learner before more of it is
// taken.
func (l *Link) meet(have []byte) error {
	kind := wire.PacketType(binary.BigEndian.Uint32(have))
	if kind == wire.PacketFollowerInfo || kind == wire.PacketObserverInfo {
		return nil
	}
	return fmt.Errorf("%w: the first packet is %v, not FOLLOWERINFO or OBSERVERINFO", ErrStranger, kind)
}

// introduced notes that the learner's first packet is there.
func (l *Link) introduced() {
	in := &l.input
	heard := in.greeting.heard
	in.greeting = nil
	in.mu.Lock()
	in.until = time.Time{}
	in.mu.Unlock()
	heard()
}

// take separates the first n bytes with their packets from what follows.
func (l *Link) take(n int) *Buffer {
	in := &l.input
	mem, rest := in.mem, in.mem.b[in.from+n:in.to]
	in.mem = takeBuffer(max(in.size, len(rest)))
	in.from, in.to = 0, copy(in.mem.b, rest)
	return mem
}

// fill reads once behind what there is.
func (l *Link) fill() error {
	in := &l.input
	if in.from == in.to {
		in.from, in.to = 0, 0
	}
	if in.to == len(in.mem.b) {
		// Grow by what has come, not by what a length announces.
		mem := in.mem
		if in.from == 0 {
			mem = takeBuffer(2 * len(mem.b))
		}
		in.to = copy(mem.b, in.mem.b[in.from:in.to])
		in.from = 0
		if mem != in.mem {
			Recycle(in.mem)
			in.mem = mem
		}
	}
	room := in.mem.b[in.to:min(len(in.mem.b), in.to+readMost)]
	n, err := l.receiveSome(room)
	in.to += n
	switch {
	case n == len(room):
		in.size = min(2*in.size, readMost)
	case n < in.size/4:
		in.size = max(in.size/2, smallestBuffer)
	}
	return err
}

// receiveSome reads what there is into p, waiting for it.
func (l *Link) receiveSome(p []byte) (int, error) {
	if !l.arm() {
		return 0, ErrLinkClosed
	}
	looked := false
	for {
		n, err := l.nc.Read(p)
		if n > 0 {
			l.BytesReceived.Add(int64(n))
			return n, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = l.overdue(&looked)
		}
		if err != nil {
			return 0, err
		}
	}
}

// LinkReader is the stream of a link for Handler.Snapshot, and of use only
// until that returns. What it has read ahead it gives to the packets behind
// the snapshot, so reading in small pieces is the way to stop where the
// snapshot does.
type LinkReader struct {
	l *Link
}

// Read reads as io.Reader; the end of the connection is io.ErrUnexpectedEOF.
func (r *LinkReader) Read(p []byte) (int, error) {
	in := &r.l.input
	if len(p) == 0 {
		return 0, nil
	}
	if in.from == in.to {
		if len(p) >= len(in.mem.b) {
			n, err := r.l.receiveSome(p)
			return n, noEnd(err)
		}
		if err := r.l.fill(); err != nil {
			return 0, noEnd(err)
		}
	}
	n := copy(p, in.mem.b[in.from:in.to])
	in.from += n
	return n, nil
}

// Peek returns the next n bytes, which stay unread, up to the next call of any
// method. With an error it returns those that there are.
func (r *LinkReader) Peek(n int) ([]byte, error) {
	in := &r.l.input
	for in.to-in.from < n {
		if err := r.l.fill(); err != nil {
			return in.mem.b[in.from:in.to], noEnd(err)
		}
	}
	return in.mem.b[in.from : in.from+n], nil
}

// Buffered returns how many bytes are there without a read of the socket.
func (r *LinkReader) Buffered() int { return r.l.input.to - r.l.input.from }

// Discard skips n bytes and returns how many it did.
func (r *LinkReader) Discard(n int) (int, error) {
	in := &r.l.input
	for left := n; ; {
		step := min(left, in.to-in.from)
		in.from += step
		if left -= step; left == 0 {
			return n, nil
		}
		if err := r.l.fill(); err != nil {
			return n - left, noEnd(err)
		}
	}
}

func noEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
