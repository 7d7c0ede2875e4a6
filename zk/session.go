package zk

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"zooid/internal/wire"
)

// errHalted says that the client was closed between connections.
var errHalted = errors.New("zk: halted")

// errReadWriteFound ends a read-only connection in favour of a better server.
var errReadWriteFound = errors.New("a server with a quorum was found")

// errSilent ends a connection on which nothing was heard.
var errSilent = errors.New("the server has not answered for two thirds of the session timeout")

// run is the session goroutine: it connects, serves the connection until it
// breaks, and begins again until the client is over.
func (c *Client) run() {
	defer close(c.ended)
	pause := c.opt.backoffMin
	for {
		l, err := c.establish(&pause)
		if err != nil {
			c.giveUp(err)
			return
		}
		born := time.Now()
		err = c.serve(l)
		if time.Since(born) > c.opt.backoffMax {
			pause = c.opt.backoffMin
		}
		if c.disconnected(err) {
			return
		}
	}
}

// establish tries the servers until one of them takes the session.
func (c *Client) establish(pause *time.Duration) (*link, error) {
	for {
		addr := c.takePreferred()
		if addr == "" {
			next, round := c.hosts.next()
			addr = next
			if round {
				if c.opt.failFast {
					c.failQueue()
				}
				if !c.sleep(jitter(*pause)) {
					return nil, errHalted
				}
				*pause = c.nextPause(*pause)
			}
		}
		if c.halt.Err() != nil {
			return nil, errHalted
		}
		l, err := c.attempt(addr)
		if c.opt.attempt != nil && c.halt.Err() == nil {
			c.opt.attempt(addr, err)
		}
		switch {
		case err == nil:
			return l, nil
		case errors.Is(err, ErrSessionExpired):
			return nil, err
		}
		c.mu.Lock()
		c.cause = err
		c.mu.Unlock()
	}
}

// jitter returns a random time between half of d and d.
func jitter(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2)
}

// nextPause doubles a pause up to its bound, which is short enough for several
// attempts before the session expires.
func (c *Client) nextPause(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return min(d*2, c.opt.backoffMax, max(c.timeout/5, c.opt.backoffMin))
}

// sleep waits; false if the client was closed meanwhile.
func (c *Client) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.halt.Done():
		return false
	}
}

func (c *Client) takePreferred() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr := c.preferred
	c.preferred = ""
	return addr
}

// giveUp ends a client that has no connection.
func (c *Client) giveUp(err error) {
	if errors.Is(err, ErrSessionExpired) {
		c.terminate(StateExpired, ErrSessionExpired)
		return
	}
	c.terminate(StateClosed, ErrClosed)
}

// disconnected clears up after a connection; true if the client is over.
func (c *Client) disconnected(err error) bool {
	switch {
	case errors.Is(err, ErrAuthFailed):
		c.terminate(StateAuthFailed, err)
		return true
	case errors.Is(err, errHalted):
		c.terminate(StateClosed, ErrClosed)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = err
	c.failPending(lossOf(err))
	c.setState(StateDisconnected, err)
	for _, cl := range c.queue {
		cl.queued = time.Now()
	}
	if len(c.queue) > 0 {
		c.armQueueTimer()
	}
	if c.closing {
		// Close found a connection and left the goodbye to it.
		c.stop()
	}
	return false
}

// serve carries one connection until it breaks or the client is closed; it
// returns why. It writes; a second goroutine reads.
func (c *Client) serve(l *link) error {
	if err := c.authenticate(l); err != nil {
		l.conn.Close()
		return err
	}
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		failed <- c.read(l)
	}()
	err := c.write(l, failed)
	l.conn.Close()
	if errors.Is(err, errReading) {
		return l.readErr
	}
	for range failed { // the reader must be gone; the reason that counts is the writer's
	}
	return err
}

// errReading says that the reader has ended; its reason is in readErr.
var errReading = errors.New("zk: reader ended")

// maxIdleBuffer is what a connection keeps of its write buffer.
const maxIdleBuffer = 64 << 10

// write sends what is queued, keeps the session alive, and sees to it that a
// silent connection is given up.
func (c *Client) write(l *link, failed chan error) error {
	if c.opt.readOnly && l.readOnly {
		ctx, cancel := context.WithCancel(c.halt)
		found := make(chan struct{})
		go func() { defer close(found); c.seekReadWrite(ctx, l) }()
		defer func() { cancel(); <-found }()
	}
	out := c.appendSetWatches(c.takeAuths(nil), l)
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastSend := time.Now()
	for {
		out = c.takeQueue(out)
		if len(out) > 0 {
			lastSend = time.Now()
			_ = l.conn.SetWriteDeadline(lastSend.Add(l.readTimeout))
			if _, err := l.conn.Write(out); err != nil {
				return c.writeFailed(l, failed, err)
			}
			if out = out[:0]; cap(out) > maxIdleBuffer {
				out = nil
			}
		}
		timer.Reset(min(l.pingEvery-time.Since(lastSend), l.readTimeout-l.silence()))
		select {
		case <-c.wake:
		case err := <-failed:
			l.readErr = err
			return errReading
		case <-c.closeReq:
			return c.goodbye(l, failed, out)
		case <-timer.C:
			if l.silence() >= l.readTimeout {
				return errSilent
			}
			if time.Since(lastSend) >= l.pingEvery {
				out = appendFrame(out, wire.XidPing, wire.OpPing, nil)
			}
		}
	}
}

// writeFailed prefers the reader's reason, which may be that of the server.
func (c *Client) writeFailed(l *link, failed chan error, err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errSilent
	}
	l.conn.Close()
	if reason := <-failed; !errors.Is(reason, net.ErrClosed) && !errors.Is(reason, io.EOF) {
		err = reason
	}
	l.readErr = err
	return errReading
}

func (c *Client) detached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detach
}

// goodbye sends what is left and closeSession behind it, and waits for the
// answers, so that Close means closed.
func (c *Client) goodbye(l *link, failed chan error, out []byte) error {
	if c.detached() {
		return errHalted
	}
	bound := l.readTimeout / 2
	out = c.takeQueue(out)
	end := c.newCall(wire.OpCloseSession)
	c.mu.Lock()
	out = c.send(out, end)
	c.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(bound))
	if _, err := l.conn.Write(out); err != nil {
		return errHalted
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-end.done:
	case err := <-failed:
		l.readErr = errHalted
		if errors.Is(err, ErrAuthFailed) {
			l.readErr = err
		}
		return errReading
	case <-timer.C:
	}
	return errHalted
}

// seekReadWrite looks for a server with a quorum while the connection is to
// one without, and ends the connection when it has found one.
func (c *Client) seekReadWrite(ctx context.Context, l *link) {
	pause := c.opt.backoffMin
	for {
		t := time.NewTimer(jitter(pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		pause = c.nextPause(pause)
		addr, _ := c.hosts.next()
		if c.askReadWrite(ctx, addr) {
			c.mu.Lock()
			c.preferred = addr
			c.mu.Unlock()
			l.abort(errReadWriteFound)
			return
		}
	}
}

// askReadWrite asks a server with the isro command.
func (c *Client) askReadWrite(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, c.connectTimeout())
	defer cancel()
	conn, err := c.open(ctx, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte("isro")); err != nil {
		return false
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 16))
	return len(answer) >= 2 && string(answer[:2]) == "rw"
}
