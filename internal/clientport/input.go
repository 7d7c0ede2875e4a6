package clientport

import (
	"encoding/binary"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// turn answers or hands on the whole frames that are there, or reads. It
// reports whether it did anything.
func (c *Conn) turn() (did bool, err error) {
	if may, err := c.mayRead(); !may {
		return false, err
	}
	n, count, err := c.whole()
	if err != nil {
		if err == errLarge {
			c.port.Metrics.LargeRequestsRejected.Inc()
		}
		return false, err
	}
	if n == 0 {
		return c.read()
	}
	taken, reads := 0, 0
	for taken < n && c.idle() {
		bytes, requests, long := c.port.Core.Reads(c, c.in.b[taken:n])
		if requests == 0 {
			break
		}
		taken, reads = taken+bytes, reads+requests
		if long != nil {
			c.counted(reads)
			c.consume(taken)
			c.beside(long)
			return true, nil
		}
		if c.Flush(); !c.takes() {
			n = taken // nobody reads the other replies, or not now
		}
	}
	if taken == n {
		c.counted(reads)
		c.consume(n)
	} else {
		c.counted(count)
		c.ship(taken, n, count-reads)
	}
	return true, nil
}

// counted books requests that leave the input.
func (c *Conn) counted(n int) {
	c.Received.Add(int64(n))
	c.port.Metrics.PacketsReceived.AddN(int64(n))
}

// whole measures the whole frames at the front of the input. A frame that must
// not be taken is an error once those before it are gone.
func (c *Conn) whole() (bytes, count int, err error) {
	if c.in == nil {
		return 0, 0, nil
	}
	b, large := c.in.b[:c.have], 0
	for len(b)-bytes >= 4 {
		n := int(int32(binary.BigEndian.Uint32(b[bytes:])))
		if n <= 0 || n > c.port.Limits.MaxFrame {
			err = errFrame
			break
		}
		if len(b)-bytes < 4+n {
			break
		}
		if limit := c.port.Limits.LargeRequest; limit > 0 && n > limit {
			if !c.port.fitsLarge(n, large) {
				err = errLarge
				break
			}
			large += n
		}
		bytes += 4 + n
		count++
	}
	if count > 0 {
		return bytes, count, nil // those before it first
	}
	return 0, 0, err
}

// ship hands the frames in.b[from:to] to the core, with their memory; what
// follows them moves to a new buffer.
func (c *Conn) ship(from, to, count int) {
	mem, frames := c.in, c.in.b[from:to]
	rest := c.in.b[to:c.have]
	c.in, c.have = nil, 0
	if len(rest) > 0 {
		c.room(len(rest))
		c.have = copy(c.in.b, rest)
	}
	if c.port.Limits.LargeRequest > 0 {
		c.markLarge(frames, c.shipped+1)
	}
	c.shipped += int64(count)
	c.shippedSeen.Store(c.shipped)
	c.port.Metrics.OutstandingRequests.Add(int64(count))
	c.port.Core.Batch(c, frames, mem, count)
}

// consume drops the first n bytes of input; an empty buffer goes back, so that
// an idle connection holds none.
func (c *Conn) consume(n int) {
	c.have = copy(c.in.b, c.in.b[n:c.have])
	c.spare()
}

// spare gives an empty input buffer back.
func (c *Conn) spare() {
	if c.have == 0 {
		Recycle(c.in)
		c.in = nil
	}
}

// room makes sure that the input can take n bytes more.
func (c *Conn) room(n int) {
	if c.in == nil {
		if n <= bufferSize {
			c.in = buffers.Get().(*Buffer)
		} else {
			c.in = &Buffer{b: make([]byte, n)}
		}
		c.have = 0
	}
	if len(c.in.b)-c.have < n {
		// Grow by what has come, not by what a length announces.
		bigger := &Buffer{b: make([]byte, max(2*len(c.in.b), c.have+n))}
		copy(bigger.b, c.in.b[:c.have])
		Recycle(c.in)
		c.in = bigger
	}
}

// read takes what the socket has, a buffer at most; false when there is
// nothing. A socket is announced once for what comes, so it counts as readable
// until a read did not fill its buffer; one whose other side is through must be
// read to the end of the stream.
func (c *Conn) read() (bool, error) {
	if !c.readable {
		return false, nil
	}
	c.room(1)
	b := c.in.b[c.have:]
	n, err := readSocket(c.fd, b)
	switch {
	case n > 0:
		c.have += n
		c.port.Metrics.BytesReceivedCount.AddN(int64(n))
		c.readable = n == len(b) || c.hungUp
		return true, nil
	case err == unix.EAGAIN:
		c.readable, c.hungUp = false, false
		c.spare()
		return false, nil
	case err != nil:
		return false, err
	}
	return false, io.EOF
}

// idle reports whether everything handed to the core is answered.
func (c *Conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered == c.shipped
}

// takes reports whether more replies may be made.
func (c *Conn) takes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead && c.unread() < maxUnread
}

// mayRead is false while the server as a whole, and this connection too, has
// more outstanding than it should, or while the client does not take its
// replies; the connection is kicked once that has changed. An error says that
// the connection is to end.
func (c *Conn) mayRead() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return false, errClosing
	case c.dead:
		return false, net.ErrClosed
	case c.port.draining.Load():
		return false, errStopping
	}
	if c.unread() >= maxUnread {
		c.curious = true
		return false, nil
	}
	if c.over() {
		c.port.hold(c)
		if c.over() { // or the others were answered meanwhile
			c.curious = true
			return false, nil
		}
	}
	return true, nil
}

// over reports whether the global limit forbids this connection to read on.
func (c *Conn) over() bool {
	return c.answered < c.shipped && c.port.Metrics.OutstandingRequests.Value() > c.port.Limits.Outstanding
}

// maxUnread is how many bytes of replies a client may leave unread before its
// requests are no longer read.
const maxUnread = 1 << 20
