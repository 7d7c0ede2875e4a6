package clientport

import (
	"encoding/binary"
	"sync/atomic"
)

// fastStats are the numbers of cons for the reads answered outside the loop.
// The newest reply is kept whole by the order in which they are written: only
// the poller writes, and who reads may be one reply behind.
type fastStats struct {
	count    atomic.Int64
	header   atomic.Uint64 // xid and opcode of the newest request
	lastZxid atomic.Int64
}

// FastStats describe the reads that a connection answered on its own.
type FastStats struct {
	Count int64
	Op    int32
	Cxid  int32
	Zxid  int64
	At    int64 // the core's clock, ms
}

// FastStats returns the numbers of the reads answered outside the loop.
func (c *Conn) FastStats() FastStats {
	h := c.fast.header.Load()
	return FastStats{
		Count: c.fast.count.Load(), Op: int32(h), Cxid: int32(h >> 32),
		Zxid: c.fast.lastZxid.Load(), At: c.LastActive.Load(),
	}
}

// NoteFast records n reads that were answered, frames being theirs.
func (c *Conn) NoteFast(frames []byte, n int, zxid int64) {
	last := frames
	for b := frames; len(b) >= 12; b = b[4+int(binary.BigEndian.Uint32(b)):] {
		last = b
	}
	c.fast.header.Store(binary.BigEndian.Uint64(last[4:12]))
	c.fast.lastZxid.Store(zxid)
	c.fast.count.Add(int64(n))
}

// ResetStats sets the connection's numbers back (crst).
func (c *Conn) ResetStats() {
	c.Received.Store(0)
	c.Sent.Store(0)
	c.fast.count.Store(0)
}

// Outstanding returns the requests that are read and not answered.
func (c *Conn) Outstanding() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shippedSeen.Load() - c.answered
}
