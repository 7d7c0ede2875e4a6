package zk

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"zooid/internal/wire"
)

// callState is where a call is; the client's mutex guards it.
type callState uint8

const (
	callQueued callState = iota
	callSent
	callDone
	callLeft // the caller does not wait any more
)

// frameHead is the room before a request's record: length, xid, opcode.
const frameHead = 12

// call is one request on its way. Its frame is encoded by the caller, sent by
// the session goroutine and completed by the reader.
type call struct {
	frame   []byte // length, header and record
	xid     int32
	state   callState
	probe   bool         // nothing to send: done as soon as there is a connection
	queued  time.Time    // when it began to wait for a connection
	watch   *watchAdd    // registered by the reader when the request succeeds
	stay    *Watch       // marked as set by the reader when the request succeeds
	unwatch *watchRemove // deregistered by the reader when the request succeeds

	done  chan struct{} // cap 1
	err   error         // of the client; the reply is then void
	code  Code
	zxid  int64
	reply []byte // the response record, the caller's to keep
}

// newCall returns a call for an operation; the record is to be appended to
// frame. Calls are pooled by client, as their channels may not leave the
// testing/synctest bubble in which the client was made.
func (c *Client) newCall(op wire.Opcode) *call {
	cl, _ := c.calls.Get().(*call)
	if cl == nil {
		cl = &call{done: make(chan struct{}, 1)}
	}
	*cl = call{frame: cl.frame[:0], done: cl.done}
	cl.frame = append(cl.frame, make([]byte, frameHead)...)
	binary.BigEndian.PutUint32(cl.frame[8:], uint32(op))
	return cl
}

// releaseCall gives back a call that was completed and read.
func (c *Client) releaseCall(cl *call) {
	if cap(cl.frame) <= 64<<10 {
		cl.reply = nil
		c.calls.Put(cl)
	}
}

// seal writes length and xid into the frame.
func (cl *call) seal(xid int32) {
	cl.xid = xid
	binary.BigEndian.PutUint32(cl.frame, uint32(len(cl.frame)-4))
	binary.BigEndian.PutUint32(cl.frame[4:], uint32(xid))
}

// submit queues the call and waits for its end: nil when it was answered, in
// whatever way. The call belongs to the caller again only if that is nil.
func (c *Client) submit(ctx context.Context, cl *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n := len(cl.frame) - 4; n > c.opt.maxRequest {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, n, c.opt.maxRequest)
	}
	if err := c.enqueue(cl); err != nil {
		return err
	}
	select {
	case <-cl.done:
		return cl.err
	case <-ctx.Done():
	}
	if c.leave(cl) {
		return ctx.Err()
	}
	<-cl.done // it was completed meanwhile
	return cl.err
}

func (c *Client) enqueue(cl *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over != nil:
		return c.over
	case c.closing:
		return ErrClosed
	}
	if cl.probe && c.state.Connected() {
		cl.finish(nil)
		return nil
	}
	if !c.state.Connected() {
		cl.queued = time.Now()
		c.armQueueTimer()
	}
	c.queue = append(c.queue, cl)
	if len(c.queue) == 1 {
		c.signal()
	}
	return nil
}

// signal wakes the session goroutine.
func (c *Client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// leave gives a call up; false if it has been completed.
func (c *Client) leave(cl *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch cl.state {
	case callDone:
		return false
	case callQueued:
		// Taken out of the queue once such calls are half of it.
		if c.dropped++; c.dropped > 16 && c.dropped > len(c.queue)/2 {
			cl.state = callLeft
			c.compactQueue()
		}
	}
	cl.state = callLeft
	return true
}

func (c *Client) compactQueue() {
	kept := c.queue[:0]
	for _, cl := range c.queue {
		if cl.state != callLeft {
			kept = append(kept, cl)
		}
	}
	clear(c.queue[len(kept):])
	c.queue, c.dropped = kept, 0
}

// finish completes the call; the client's mutex is held.
func (cl *call) finish(err error) {
	left := cl.state == callLeft
	cl.state, cl.err = callDone, err
	if !left {
		cl.done <- struct{}{}
	}
}

// failLocked completes the calls of a list from index at on; c.mu is held.
func (c *Client) failLocked(list *[]*call, at int, err error) {
	for i := at; i < len(*list); i++ {
		(*list)[i].finish(err)
		(*list)[i] = nil
	}
	*list = (*list)[:0]
}

// failPending completes what was sent on a connection that is no more; c.mu is held.
func (c *Client) failPending(err error) {
	c.failLocked(&c.pending, c.pendingAt, err)
	c.pendingAt = 0
	// Credentials are sent again, so that those who wait for them go on waiting.
	c.authWait, c.authSent = nil, 0
}

// armQueueTimer sees to it that the first call of the queue waits no longer
// than a session timeout for a connection; c.mu is held.
func (c *Client) armQueueTimer() {
	if c.queueTimer == nil {
		c.queueTimer = time.AfterFunc(c.timeout, c.failStale)
	}
}

// failStale ends the calls that have waited a session timeout for a connection.
func (c *Client) failStale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queueTimer = nil
	if c.over != nil || c.state.Connected() {
		return
	}
	now, n := time.Now(), 0
	for ; n < len(c.queue); n++ {
		if wait := c.timeout - now.Sub(c.queue[n].queued); wait > 0 {
			c.queueTimer = time.AfterFunc(wait, c.failStale)
			break
		}
	}
	stale := append([]*call(nil), c.queue[:n]...)
	c.queue = append(c.queue[:0], c.queue[n:]...)
	c.failLocked(&stale, 0, lossOf(c.cause))
	c.compactQueue()
}

// failQueue ends the calls that wait for a connection.
func (c *Client) failQueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(&c.queue, 0, lossOf(c.cause))
	c.dropped = 0
}

// takeQueue moves what waits to pending and appends its frames to out.
func (c *Client) takeQueue(out []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out = c.takeAuthsLocked(out)
	if c.pendingAt > 0 && c.pendingAt == len(c.pending) {
		c.pending, c.pendingAt = c.pending[:0], 0
	} else if c.pendingAt > 1024 && c.pendingAt > len(c.pending)/2 {
		n := copy(c.pending, c.pending[c.pendingAt:])
		clear(c.pending[n:])
		c.pending, c.pendingAt = c.pending[:n], 0
	}
	for i, cl := range c.queue {
		c.queue[i] = nil
		switch {
		case cl.state == callLeft:
		case cl.probe:
			cl.finish(nil)
		default:
			out = c.send(out, cl)
		}
	}
	c.queue, c.dropped = c.queue[:0], 0
	return out
}

// send appends a call's frame and makes it pending; c.mu is held.
func (c *Client) send(out []byte, cl *call) []byte {
	cl.seal(c.nextXid())
	cl.state = callSent
	c.pending = append(c.pending, cl)
	return append(out, cl.frame...)
}

// nextXid numbers a request; c.mu is held.
func (c *Client) nextXid() int32 {
	if c.xid++; c.xid <= 0 {
		c.xid = 1 // negative numbers have other uses
	}
	return c.xid
}
