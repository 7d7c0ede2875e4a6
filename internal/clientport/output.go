package clientport

import (
	"syscall"
	"time"
)

// Drainer gives the replies that the core holds for a connection.
type Drainer interface {
	Drain(id uint32, dst []byte) (out []byte, answered, frames int)
}

// Deliver moves the core's replies into the connection's output. It is called
// by the core's loop while reads are excluded, so that an event stands before
// any reply that shows its cause. It returns how many requests that answers.
func (c *Conn) Deliver(d Drainer) int {
	c.mu.Lock()
	if c.out == nil {
		c.out = takeOutput()
	}
	out, answered, frames := d.Drain(c.id, c.out)
	c.out = out
	c.answered += int64(answered)
	if len(c.large) > 0 {
		c.freeLarge(c.answered)
	}
	stale, counts := c.dead && answered > 0, !c.ended
	over := len(c.out) > c.port.Limits.MaxOutput && !c.dead
	if over || c.dead {
		c.dead, c.out = true, nil
	}
	c.wake.Broadcast()
	c.mu.Unlock()
	if stale {
		c.port.Metrics.StaleReplies.Inc()
	}
	c.Sent.Add(int64(frames))
	c.port.Metrics.PacketsSent.AddN(int64(frames))
	if counts {
		c.port.Metrics.OutstandingRequests.Add(-int64(answered))
	}
	if over {
		c.port.Log.Warn("connection closed: the client does not read what it is sent",
			"client", c.RemoteAddr(), "bytes", c.port.Limits.MaxOutput)
		c.nc.Close()
	}
	return answered
}

// Dead reports whether nothing can be written to the client any more.
func (c *Conn) Dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// BeginOut locks the output and returns it, for whole frames to be appended;
// EndOut puts it back.
func (c *Conn) BeginOut() []byte {
	c.mu.Lock()
	if c.out == nil {
		c.out = takeOutput()
	}
	return c.out
}

// EndOut stores what BeginOut returned, with frames more frames in it.
func (c *Conn) EndOut(out []byte, frames int) {
	size := int64(len(out) - len(c.out))
	c.out = out
	c.mu.Unlock()
	if frames > 0 {
		c.Sent.Add(int64(frames))
		c.port.Metrics.PacketsSent.AddN(int64(frames))
		c.port.Metrics.ResponseBytes.AddN(size - 4*int64(frames))
		each := size/int64(frames) - 4
		c.port.Metrics.ClientResponseSize.ObserveBatch(each, each, each)
	}
}

// Flush writes the output without ever waiting for the client.
func (c *Conn) Flush() { c.flush(false) }

// CloseAfterFlush has the reader write the output and then close the
// connection (leave).
func (c *Conn) CloseAfterFlush() {
	c.mu.Lock()
	c.closing = true
	c.wake.Broadcast()
	c.mu.Unlock()
	now := time.Now()
	// Whoever is at the socket waits no longer than this for the client.
	c.nc.SetWriteDeadline(now.Add(lingerFor))
	c.nc.SetReadDeadline(now)
	c.flush(false)
}

// Abort closes the connection at once.
func (c *Conn) Abort() {
	c.mu.Lock()
	c.dead = true
	c.wake.Broadcast()
	c.mu.Unlock()
	c.nc.Close()
}

// flush writes until the output is empty. Whoever comes while somebody is at
// the socket leaves the rest to him. The reader may wait for the client
// (block); others hand what the socket does not take to a goroutine.
func (c *Conn) flush(block bool) {
	c.mu.Lock()
	if c.writing || c.dead {
		c.mu.Unlock()
		return
	}
	c.writing = true
	for len(c.out) > 0 && !c.dead {
		buf := c.out
		c.out = nil
		c.mu.Unlock()
		rest, err := c.push(buf)
		if err == nil && len(rest) > 0 {
			if !block {
				go c.drain(buf, rest)
				return
			}
			err = c.pushAll(rest)
		}
		putOutput(buf)
		c.mu.Lock()
		if err != nil {
			c.dead = true
			c.wake.Broadcast()
		}
	}
	c.finish()
}

// finish ends the turn at the socket; c.mu is held and released.
func (c *Conn) finish() {
	c.writing = false
	if len(c.out) == 0 && c.out != nil {
		putOutput(c.out)
		c.out = nil
	}
	dead := c.dead
	c.wake.Broadcast()
	c.mu.Unlock()
	if dead {
		c.nc.Close()
	}
}

// drain finishes for flush what the socket did not take at once.
func (c *Conn) drain(buf, rest []byte) {
	err := c.pushAll(rest)
	putOutput(buf)
	c.mu.Lock()
	for err == nil && len(c.out) > 0 && !c.dead {
		buf := c.out
		c.out = nil
		c.wake.Broadcast()
		c.mu.Unlock()
		err = c.pushAll(buf)
		putOutput(buf)
		c.mu.Lock()
	}
	if err != nil {
		c.dead = true
	}
	c.wake.Broadcast()
	c.finish()
}

// push writes what the socket takes now and returns the rest.
func (c *Conn) push(b []byte) ([]byte, error) {
	c.writeBuf, c.wrote, c.writeErr = b, 0, nil
	err := c.raw.Write(c.writeOnce)
	if err == nil {
		err = c.writeErr
	}
	c.writeBuf = nil
	return b[c.wrote:], err
}

// writeSocket is one try to write; it never waits.
func (c *Conn) writeSocket(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), c.writeBuf)
		switch err {
		case nil:
			c.wrote = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			c.writeErr = err
		}
		return true
	}
}

// pushAll writes all of b and waits as long as the client needs.
func (c *Conn) pushAll(b []byte) error {
	_, err := c.nc.Write(b)
	return err
}
