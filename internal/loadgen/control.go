package loadgen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// control is a session with one request at a time, for what happens before and
// after a measurement.
type control struct {
	name  string
	conn  net.Conn
	until time.Time // the end of all patience; zero: none but controlTimeout
	xid   int32
	buf   []byte
}

// controlTimeout bounds every single answer.
const controlTimeout = 30 * time.Second

// dialControl opens a session at the first server that lets it.
func dialControl(ctx context.Context, opt *Options) (*control, error) {
	var first error
	for _, s := range opt.Servers {
		c, err := dialOne(ctx, s, opt)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func dialOne(ctx context.Context, server string, opt *Options) (*control, error) {
	name, err := withPort(server)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", name)
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil, refused(&endpoint{name: name}, unix.ECONNREFUSED)
	}
	if err != nil {
		return nil, err
	}
	c := &control{name: name, conn: nc}
	c.until, _ = ctx.Deadline()
	if err := c.begin(opt); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// begin shakes hands and presents the identities.
func (c *control) begin(opt *Options) error {
	b := greetingOf(opt.SessionTimeout).Append(make([]byte, 4))
	jute.PutInt(b, int32(len(b)-4))
	if err := c.write(b); err != nil {
		return early(c.name, err)
	}
	f, err := c.frame()
	if err != nil {
		return early(c.name, err)
	}
	var r wire.ConnectResponse
	d := jute.NewDecoder(f)
	if r.Decode(&d); d.Err() != nil || r.TimeOut <= 0 {
		return fmt.Errorf("%s: the server refused a new session", c.name)
	}
	for _, a := range opt.Auth {
		if err := c.write(appendProof(nil, a)); err != nil {
			return err
		}
		h, _, err := c.answer(wire.XidAuth)
		if err == nil && h.Err != wire.CodeOK {
			err = h.Err
		}
		if err != nil {
			return fmt.Errorf("%s: the server refused --auth: %w", c.name, err)
		}
	}
	return nil
}

func splitAuth(auth string) (scheme, data string) {
	scheme, data, _ = strings.Cut(auth, ":")
	return scheme, data
}

func (c *control) write(b []byte) error {
	limit := time.Now().Add(controlTimeout)
	if !c.until.IsZero() && c.until.Before(limit) {
		limit = c.until
	}
	_ = c.conn.SetDeadline(limit)
	_, err := c.conn.Write(b)
	return err
}

// frame reads one frame; it is valid until the next.
func (c *control) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n < 0 || n > maxReply {
		return nil, fmt.Errorf("a frame of %d bytes: is this a ZooKeeper server's plain-text client port?", n)
	}
	if int(n) > cap(c.buf) {
		c.buf = make([]byte, n)
	}
	_, err := io.ReadFull(c.conn, c.buf[:n])
	return c.buf[:n], err
}

// answer reads until the reply with the xid.
func (c *control) answer(xid int32) (wire.ReplyHeader, []byte, error) {
	for {
		f, err := c.frame()
		if err != nil {
			return wire.ReplyHeader{}, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		var h wire.ReplyHeader
		d := jute.NewDecoder(f)
		if h.Decode(&d); d.Err() != nil {
			return h, nil, fmt.Errorf("%s: a reply of %d bytes is shorter than its header", c.name, len(f))
		}
		if h.Xid == xid {
			return h, d.Rest(), nil
		}
	}
}

// call sends a request and waits; a refusal is a wire.Code in the error.
func (c *control) call(op wire.Opcode, body []byte) ([]byte, error) {
	c.xid++
	h := wire.RequestHeader{Xid: c.xid, Type: op}
	if err := c.write(appendFrame(nil, &h, body)); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	r, rest, err := c.answer(c.xid)
	if err == nil && r.Err != wire.CodeOK {
		err = r.Err
	}
	return rest, err
}

// close ends the session.
func (c *control) close() {
	_, _ = c.call(wire.OpCloseSession, nil)
	_ = c.conn.Close()
}

// create makes a persistent znode and reports whether it was not there before.
func (c *control) create(path string, data []byte) (bool, error) {
	_, err := c.call(wire.OpCreate, createBody(path, data, 0))
	if err == wire.CodeNodeExists {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("creating %s: %w", path, err)
	}
	return true, nil
}

// makeAll creates a znode and the parents that it lacks.
func (c *control) makeAll(path string) error {
	for i := 1; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			if _, err := c.create(path[:i], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes a znode; that it is not there or has children is no error.
func (c *control) remove(path string) error {
	r := wire.PathVersionRequest{Path: []byte(path), Version: -1}
	_, err := c.call(wire.OpDelete, r.Append(nil))
	if err == nil || err == wire.CodeNoNode || err == wire.CodeNotEmpty {
		return nil
	}
	return fmt.Errorf("deleting %s: %w", path, err)
}

// children lists the names below a znode; none if it is not there.
func (c *control) children(path string) ([]string, error) {
	rest, err := c.call(wire.OpGetChildren, pathBody(path, false))
	if err == wire.CodeNoNode {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", path, err)
	}
	d := jute.NewDecoder(rest)
	n := d.Count(4)
	names := make([]string, 0, max(0, n))
	for ; n > 0 && d.Err() == nil; n-- {
		names = append(names, d.String())
	}
	if d.Err() != nil {
		return nil, fmt.Errorf("listing %s: %w", path, d.Err())
	}
	return names, nil
}

// exists reports whether a znode is there.
func (c *control) exists(path string) (bool, error) {
	_, err := c.call(wire.OpExists, pathBody(path, false))
	if err == wire.CodeNoNode {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for %s: %w", path, err)
	}
	return true, nil
}

// Probe opens a session at server and reads a znode's data, and returns when the
// answer was there. It does not wait for a server to come up, and the deadline
// of the context bounds it.
func Probe(ctx context.Context, server, path string) (time.Time, error) {
	opt := NewOptions(Read)
	opt.SessionTimeout = 5 * time.Second // an attempt that gets no answer leaves a session behind
	c, err := dialOne(ctx, server, &opt)
	if err != nil {
		return time.Time{}, err
	}
	_, err = c.call(wire.OpGetData, pathBody(path, false))
	answered := time.Now()
	c.close()
	return answered, err
}
