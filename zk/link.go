package zk

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// link is one connection whose handshake is done.
type link struct {
	conn        net.Conn
	in          *bufio.Reader
	readOnly    bool
	pingEvery   time.Duration
	readTimeout time.Duration

	start   time.Time
	heard   atomic.Int64 // of the last frame, ns since start
	aborted atomic.Pointer[error]
	readErr error // why the reader ended; of the writer

	// The setWatches requests that are not answered yet, and the
	// persistent watches among them, which learn of the gap.
	replays atomic.Int32
	gapped  []*Watch
}

// silence is the time since the server was heard.
func (l *link) silence() time.Duration {
	return time.Since(l.start) - time.Duration(l.heard.Load())
}

// abort breaks the connection for a reason of our own.
func (l *link) abort(err error) {
	l.aborted.Store(&err)
	l.conn.Close()
}

func (c *Client) connectTimeout() time.Duration {
	if d := c.opt.connectTimeout; d > 0 {
		return d
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.timeout/time.Duration(c.hosts.size()), time.Millisecond)
}

// open dials a server, with TLS if so configured.
func (c *Client) open(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := c.opt.dial(ctx, addr)
	if err != nil || c.opt.tls == nil {
		return conn, err
	}
	config := c.opt.tls
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			conn.Close()
			return nil, err
		}
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}

// attempt connects to one server and brings the session there.
func (c *Client) attempt(addr string) (*link, error) {
	ctx, cancel := context.WithTimeout(c.halt, c.connectTimeout())
	defer cancel()
	conn, err := c.open(ctx, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	l := &link{conn: conn, in: bufio.NewReaderSize(conn, 32<<10), start: time.Now()}
	resp, err := c.handshake(l)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil && c.halt.Err() == nil {
			err = fmt.Errorf("%s does not answer: %w", addr, err)
		}
		return nil, err
	}
	l.readOnly = resp.ReadOnly
	c.adopt(l, addr, resp)
	return l, nil
}

// handshake exchanges the connect records.
func (c *Client) handshake(l *link) (*wire.ConnectResponse, error) {
	c.mu.Lock()
	req := wire.ConnectRequest{
		LastZxidSeen: c.lastZxid,
		TimeOut:      int32(c.opt.sessionTimeout.Milliseconds()),
		Passwd:       c.password,
		ReadOnly:     c.opt.readOnly, HasReadOnly: true,
	}
	if c.established {
		req.SessionID = c.sessionID
	}
	c.mu.Unlock()
	if req.SessionID == 0 {
		req.Passwd = make([]byte, 16)
	}
	frame := req.Append(make([]byte, 4))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	if _, err := l.conn.Write(frame); err != nil {
		return nil, err
	}
	body, err := c.readConnectResponse(l)
	if err != nil {
		return nil, err
	}
	resp := new(wire.ConnectResponse)
	d := jute.NewDecoder(body)
	resp.Decode(&d)
	if d.Err() != nil {
		return nil, fmt.Errorf("the server's answer to the handshake is malformed: %w", d.Err())
	}
	if resp.TimeOut <= 0 {
		if req.SessionID != 0 {
			return nil, ErrSessionExpired
		}
		return nil, errors.New("the server refused a new session")
	}
	return resp, nil
}

// maxConnectResponse is far above the 37 bytes that it takes.
const maxConnectResponse = 1 << 10

func (c *Client) readConnectResponse(l *link) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the server closed the connection without an answer: " +
				"it is not serving, is behind this client, or has too many connections")
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxConnectResponse {
		return nil, fmt.Errorf("not a ZooKeeper server: its answer to the handshake begins with %q", head[:])
	}
	body := make([]byte, n)
	_, err := io.ReadFull(l.in, body)
	return body, err
}

// adopt makes the connection that of the session.
func (c *Client) adopt(l *link, addr string, resp *wire.ConnectResponse) {
	c.hosts.connected()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeout = time.Duration(resp.TimeOut) * time.Millisecond
	c.sessionID, c.password = resp.SessionID, append([]byte(nil), resp.Passwd...)
	c.established = c.established || !resp.ReadOnly
	c.server, c.cause = addr, nil
	l.pingEvery = min(c.timeout/3, 10*time.Second)
	l.readTimeout = c.timeout * 2 / 3
	state := StateConnected
	if resp.ReadOnly {
		state = StateConnectedReadOnly
	}
	if c.queueTimer != nil {
		c.queueTimer.Stop()
		c.queueTimer = nil
	}
	c.setState(state, nil)
}

// appendFrame appends a frame that no caller waits for.
func appendFrame(out []byte, xid int32, op wire.Opcode, record func([]byte) []byte) []byte {
	at := len(out)
	h := wire.RequestHeader{Xid: xid, Type: op}
	out = h.Append(append(out, 0, 0, 0, 0))
	if record != nil {
		out = record(out)
	}
	binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	return out
}

// read takes frames off the connection until it breaks; it returns why.
func (c *Client) read(l *link) error {
	for {
		if err := c.readFrame(l); err != nil {
			if reason := l.aborted.Load(); reason != nil {
				return *reason
			}
			if errors.Is(err, io.EOF) {
				return errors.New("the server closed the connection")
			}
			return err
		}
	}
}

// readFrame takes one frame off the connection and deals with it.
func (c *Client) readFrame(l *link) error {
	const head = 4 + wire.ReplyHeaderSize
	p, err := l.in.Peek(head)
	if err != nil {
		return err
	}
	l.heard.Store(int64(time.Since(l.start)))
	d := jute.NewDecoder(p)
	n := int(d.Int()) - wire.ReplyHeaderSize
	var h wire.ReplyHeader
	h.Decode(&d)
	if n < 0 || n > c.opt.maxReply {
		return fmt.Errorf("the server sent a frame of %d bytes, the limit is %d", n+wire.ReplyHeaderSize, c.opt.maxReply)
	}
	_, _ = l.in.Discard(head) // it has been peeked at
	var body []byte
	if n > 0 {
		body = make([]byte, n)
		if err := c.readBody(l, body); err != nil {
			return err
		}
	}
	switch h.Xid {
	case wire.XidPing:
		return nil
	case wire.XidNotification:
		return c.notified(h, body)
	case wire.XidAuth:
		return c.authAnswered(h)
	case wire.XidSetWatches:
		c.watchesReplayed(l, h)
		return nil
	}
	return c.answered(h, body)
}

// readBody fills body and takes each piece for a sign of life, as a large
// answer may be longer under way than the silence that is tolerated.
func (c *Client) readBody(l *link, body []byte) error {
	for len(body) > 0 {
		n, err := l.in.Read(body)
		if err != nil {
			return err
		}
		if body = body[n:]; len(body) > 0 {
			l.heard.Store(int64(time.Since(l.start)))
		}
	}
	return nil
}

// answered completes the oldest call that was sent.
func (c *Client) answered(h wire.ReplyHeader, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pendingAt == len(c.pending) {
		return fmt.Errorf("the server sent an answer, xid %d, that nobody asked for", h.Xid)
	}
	cl := c.pending[c.pendingAt]
	if cl.xid != h.Xid {
		return fmt.Errorf("the server sent the answer to xid %d before the one to %d", h.Xid, cl.xid)
	}
	c.pending[c.pendingAt] = nil
	c.pendingAt++
	c.lastZxid = max(c.lastZxid, h.Zxid)
	cl.code, cl.zxid, cl.reply = h.Err, h.Zxid, body
	if cl.watch != nil {
		c.watch.answered(cl.watch, h.Err)
	}
	if cl.stay != nil && h.Err == 0 {
		cl.stay.set = true
	}
	if cl.unwatch != nil && h.Err == 0 {
		c.removed(cl.unwatch)
	}
	cl.finish(nil)
	return nil
}
