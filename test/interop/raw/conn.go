package raw

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"time"
)

// ErrSilent says that a server neither answered nor closed the connection.
var ErrSilent = errors.New("the server neither answers nor closes")

// patience is how long an answer may take before it counts as silence. Apache's
// server on a busy machine needs its time, and a silence is always a failure.
const patience = 20 * time.Second

// Conn is one client connection.
type Conn struct {
	Net net.Conn
	in  *bufio.Reader
	xid int32

	// Events holds the notifications that Call met on its way.
	Events []Event
}

// Event is one watch notification.
type Event struct {
	Zxid        int64
	Type, State int32
	Path        string
}

// Dial opens a connection; nothing is sent on it yet.
func Dial(addr string) (*Conn, error) { return DialWithin(addr, patience) }

// DialWithin is Dial with a patience of its own.
func DialWithin(addr string, patience time.Duration) (*Conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &Conn{Net: c, in: bufio.NewReader(c)}, nil
}

// Close closes the socket without a closeSession.
func (c *Conn) Close() { _ = c.Net.Close() }

// Leave ends the connection from this side and returns when the server has
// ended it too; ErrSilent when the server does not.
func (c *Conn) Leave() error {
	defer c.Close()
	if half, ok := c.Net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it fails only when the server was first
	}
	for {
		if _, err := c.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Send writes frames, each with its length in front, in one piece.
func (c *Conn) Send(frames ...[]byte) error {
	var out Bytes
	for _, f := range frames {
		out = append(out.Int(int32(len(f))), f...)
	}
	return c.SendRaw(out)
}

// SendRaw writes bytes as they are.
func (c *Conn) SendRaw(b []byte) error {
	if err := c.Net.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.Net.Write(b)
	return err
}

// Recv reads one frame without its length. It answers io.EOF when the server
// has closed the connection, in whatever way, and ErrSilent when nothing came.
func (c *Conn) Recv() ([]byte, error) {
	if err := c.Net.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, io.EOF
	}
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, c.ended(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 64<<20 {
		return nil, fmt.Errorf("the server sent a frame length of %d", int32(n))
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(c.in, frame); err != nil {
		return nil, c.ended(err)
	}
	return frame, nil
}

func (c *Conn) ended(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrSilent
	}
	return io.EOF
}

// ConnectRequest is the handshake of a client.
type ConnectRequest struct {
	Version      int32
	LastZxidSeen int64
	Timeout      int32 // ms
	SessionID    int64
	Passwd       []byte
	ReadOnly     bool
	Old          bool // a client from before 3.4, which sends no readOnly byte
}

// Bytes is the frame of the handshake without its length.
func (r ConnectRequest) Bytes() []byte {
	b := Bytes(nil).Int(r.Version).Long(r.LastZxidSeen).Int(r.Timeout).Long(r.SessionID).Buf(r.Passwd)
	if !r.Old {
		b = b.Bool(r.ReadOnly)
	}
	return b
}

// Session is what the server answered to a handshake; Timeout 0 or below is a
// refused one.
type Session struct {
	Version  int32
	Timeout  int32
	ID       int64
	Passwd   []byte
	ReadOnly bool
	Extra    []byte // bytes after the last known field; a lone readOnly byte is not extra
	Short    bool   // the answer had no readOnly byte
}

// Handshake sends a ConnectRequest and reads the answer.
func (c *Conn) Handshake(req ConnectRequest) (Session, error) {
	if err := c.Send(req.Bytes()); err != nil {
		return Session{}, io.EOF
	}
	return c.ReadSession()
}

// ReadSession reads the answer to a handshake.
func (c *Conn) ReadSession() (Session, error) {
	frame, err := c.Recv()
	if err != nil {
		return Session{}, err
	}
	r := Reader{Rest: frame}
	s := Session{Version: r.Int(), Timeout: r.Int(), ID: r.Long(), Passwd: r.Buf()}
	if r.Bad {
		return s, fmt.Errorf("bad ConnectResponse %x", frame)
	}
	if s.Short = len(r.Rest) == 0; !s.Short {
		s.ReadOnly = r.Bool()
	}
	s.Extra = r.Rest
	return s, nil
}

// Reply is one answer of the server.
type Reply struct {
	Xid  int32
	Zxid int64
	Err  int32
	Body Reader
}

// ParseReply splits a frame into header and body.
func ParseReply(frame []byte) Reply {
	r := Reader{Rest: frame}
	return Reply{Xid: r.Int(), Zxid: r.Long(), Err: r.Int(), Body: r}
}

// Connect opens a connection with a new session of the given timeout in ms.
func Connect(addr string, timeout int32) (*Conn, Session, error) {
	return Resume(addr, Session{Timeout: timeout, Passwd: make([]byte, 16)})
}

// Resume opens a connection with an existing session.
func Resume(addr string, old Session) (*Conn, Session, error) {
	c, err := Dial(addr)
	if err != nil {
		return nil, Session{}, err
	}
	s, err := c.Handshake(ConnectRequest{Timeout: old.Timeout, SessionID: old.ID, Passwd: old.Passwd})
	if err == nil && s.Timeout <= 0 {
		err = fmt.Errorf("session 0x%x refused", old.ID)
	}
	if err != nil {
		c.Close()
		return nil, s, err
	}
	return c, s, nil
}

// Call sends one request and waits for its reply. Notifications that come
// first are kept in Events.
func (c *Conn) Call(op int32, body Bytes) (Reply, error) {
	xid := c.nextXid(op)
	if err := c.Send(Frame(xid, op, body)); err != nil {
		return Reply{}, io.EOF
	}
	for {
		frame, err := c.Recv()
		if err != nil {
			return Reply{}, err
		}
		r := ParseReply(frame)
		if r.Xid == XidNotification {
			c.Events = append(c.Events, Event{r.Zxid, r.Body.Int(), r.Body.Int(), r.Body.Str()})
			continue
		}
		if r.Xid != xid {
			return r, fmt.Errorf("%s: reply with xid %d, want %d", OpName(op), r.Xid, xid)
		}
		return r, nil
	}
}

// CountFrom sets the xid that the next request follows. A client numbers the
// requests of a session on when it changes the connection.
func (c *Conn) CountFrom(xid int32) { c.xid = xid }

func (c *Conn) nextXid(op int32) int32 {
	switch op {
	case OpPing:
		return XidPing
	case OpAuth:
		return XidAuth
	case OpSetWatches, OpSetWatches2:
		return XidSetWatches
	}
	if c.xid == math.MaxInt32 {
		c.xid = 0
	}
	c.xid++
	return c.xid
}

// Closed reports whether the server closes the connection without sending
// anything more.
func (c *Conn) Closed() bool {
	_, err := c.Recv()
	return err == io.EOF
}

// SessionPassword is the password that every server computes for a session:
// java.util.Random seeded with id XOR 0xB3415C00 fills 16 bytes.
func SessionPassword(id int64) []byte {
	const mask = 1<<48 - 1
	seed := (uint64(id) ^ 0xB3415C00 ^ 0x5DEECE66D) & mask
	out := make([]byte, 0, 16)
	for range 4 {
		seed = (seed*0x5DEECE66D + 0xB) & mask
		out = binary.LittleEndian.AppendUint32(out, uint32(seed>>16))
	}
	return out
}
