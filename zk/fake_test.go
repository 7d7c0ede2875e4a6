package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNet is a set of servers in memory that share their sessions, reached by
// a client's dialer. What they answer is for each test to say.
type fakeNet struct {
	t  *testing.T
	mu sync.Mutex
	// servers by host:port; one that is missing refuses connections.
	servers  map[string]*fakeServer
	sessions map[int64]bool
	nextID   int64
	dials    []string
	requests []fakeRequest
	ended    []int64 // sessions closed by their clients
}

// fakeServer is one server of a fakeNet.
type fakeServer struct {
	net      *fakeNet
	silent   bool // takes requests and never answers, not even the handshake
	deaf     bool // answers the handshake and then nothing
	reject   bool // closes the connection without an answer
	readOnly bool
	timeout  int32 // negotiated, ms; 0: what was asked for
	isro     string
	// answer returns the reply to a request; nil for the default one.
	answer func(c *fakeConn, r fakeRequest) *fakeReply
	conns  map[*fakeConn]bool
}

type fakeRequest struct {
	xid     int32
	op      wire.Opcode
	body    []byte
	session int64
}

type fakeReply struct {
	xid  int32 // 0: that of the request
	code Code
	body []byte
	end  bool // close the connection behind it
	none bool // no reply at all
}

type fakeConn struct {
	net.Conn
	server  *fakeServer
	session int64
	mu      sync.Mutex
	zxid    int64
}

// pass lets time go by in the bubble.
func pass(d time.Duration) { <-time.After(d) }

func newFakeNet(t *testing.T, addrs ...string) *fakeNet {
	n := &fakeNet{t: t, servers: map[string]*fakeServer{}, sessions: map[int64]bool{}, nextID: 0x100}
	for _, a := range addrs {
		n.add(a)
	}
	return n
}

func (n *fakeNet) add(addr string) *fakeServer {
	return n.put(addr, new(fakeServer))
}

func (n *fakeNet) put(addr string, s *fakeServer) *fakeServer {
	s.net, s.conns = n, map[*fakeConn]bool{}
	n.mu.Lock()
	n.servers[addr] = s
	n.mu.Unlock()
	return s
}

// remove takes a server away; its connections break.
func (n *fakeNet) remove(addr string) {
	n.mu.Lock()
	s := n.servers[addr]
	delete(n.servers, addr)
	n.mu.Unlock()
	if s != nil {
		s.breakAll()
	}
}

func (n *fakeNet) expire(id int64) {
	n.mu.Lock()
	delete(n.sessions, id)
	n.mu.Unlock()
}

// asked returns the requests of an operation so far, once nothing is under way.
func (n *fakeNet) asked(op wire.Opcode) (list []fakeRequest) {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if r.op == op {
			list = append(list, r)
		}
	}
	return list
}

var errRefused = errors.New("connection refused")

func (n *fakeNet) dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials = append(n.dials, addr)
	s := n.servers[addr]
	if s == nil {
		return nil, errRefused
	}
	client, server := net.Pipe()
	c := &fakeConn{Conn: server, server: s}
	s.conns[c] = true
	go c.serve()
	return client, nil
}

// breakAll breaks the connections of the server and lets their clients notice.
func (s *fakeServer) breakAll() {
	s.net.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	clear(s.conns)
	s.net.mu.Unlock()
	synctest.Wait()
}

func (c *fakeConn) serve() {
	defer c.Close()
	if !c.handshake() {
		return
	}
	for {
		frame, err := c.frame()
		if err != nil {
			return
		}
		d := jute.NewDecoder(frame)
		var h wire.RequestHeader
		h.Decode(&d)
		r := fakeRequest{h.Xid, h.Type, append([]byte(nil), d.Rest()...), c.session}
		n := c.server.net
		n.mu.Lock()
		n.requests = append(n.requests, r)
		answer := c.server.answer
		deaf := c.server.deaf
		n.mu.Unlock()
		if deaf {
			continue
		}
		var reply *fakeReply
		if answer != nil {
			reply = answer(c, r)
		}
		if reply == nil {
			reply = c.usual(r)
		}
		if !reply.none {
			c.reply(r, reply)
		}
		if reply.end {
			return
		}
	}
}

func (c *fakeConn) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	if string(head[:]) == "isro" {
		c.Write([]byte(c.server.isro))
		return nil, io.EOF
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c, frame)
	return frame, err
}

func (c *fakeConn) send(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

func (c *fakeConn) handshake() bool {
	s := c.server
	frame, err := c.frame()
	if err != nil {
		return false
	}
	if s.silent {
		io.Copy(io.Discard, c)
		return false
	}
	if s.reject {
		return false
	}
	var req wire.ConnectRequest
	d := jute.NewDecoder(frame)
	req.Decode(&d)
	resp := wire.ConnectResponse{TimeOut: req.TimeOut, Passwd: make([]byte, 16), ReadOnly: s.readOnly, HasReadOnly: true}
	if s.timeout != 0 {
		resp.TimeOut = s.timeout
	}
	s.net.mu.Lock()
	switch {
	case s.readOnly && !req.ReadOnly:
		s.net.mu.Unlock()
		return false
	case req.SessionID == 0:
		s.net.nextID++
		c.session = s.net.nextID
		s.net.sessions[c.session] = true
	case s.net.sessions[req.SessionID]:
		c.session = req.SessionID
	default:
		resp.TimeOut = 0
	}
	s.net.mu.Unlock()
	resp.SessionID = c.session
	c.send(resp.Append(nil))
	return resp.TimeOut > 0
}

// usual is an answer that suits most tests.
func (c *fakeConn) usual(r fakeRequest) *fakeReply {
	stat := wire.Stat{Czxid: 7, Version: 3}
	switch r.op {
	case wire.OpExists, wire.OpSetData, wire.OpSetACL:
		return &fakeReply{body: stat.Append(nil)}
	case wire.OpGetData:
		return &fakeReply{body: wire.AppendGetDataResponse(nil, []byte("data"), &stat)}
	case wire.OpGetChildren2:
		return &fakeReply{body: stat.Append(jute.AppendString(jute.AppendInt(nil, 1), "kid"))}
	case wire.OpCreate:
		var req wire.CreateRequest
		d := jute.NewDecoder(r.body)
		req.Decode(&d)
		return &fakeReply{body: jute.AppendText(nil, req.Path)}
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		d := jute.NewDecoder(r.body)
		return &fakeReply{body: wire.AppendCreate2Response(nil, d.Text(), &stat)}
	case wire.OpAddWatch:
		return &fakeReply{body: jute.AppendInt(nil, 0)}
	case wire.OpSync:
		return &fakeReply{body: r.body}
	case wire.OpCloseSession:
		c.server.net.mu.Lock()
		delete(c.server.net.sessions, c.session)
		c.server.net.ended = append(c.server.net.ended, c.session)
		c.server.net.mu.Unlock()
		return &fakeReply{end: true}
	}
	return &fakeReply{}
}

func (c *fakeConn) reply(r fakeRequest, reply *fakeReply) {
	if reply.xid == 0 {
		reply.xid = r.xid
	}
	c.zxid++
	h := wire.ReplyHeader{Xid: reply.xid, Zxid: c.zxid, Err: reply.code}
	body := h.Append(nil)
	if reply.code == 0 {
		body = append(body, reply.body...)
	}
	c.send(body)
}

// notify sends a watch event to every connection of the server.
func (s *fakeServer) notify(typ EventType, path string, zxid int64) {
	s.net.mu.Lock()
	conns := make([]*fakeConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.net.mu.Unlock()
	h := wire.ReplyHeader{Xid: wire.XidNotification, Zxid: zxid}
	e := wire.WatcherEvent{Type: int32(typ), State: wire.StateSyncConnected, Path: []byte(path)}
	for _, c := range conns {
		c.send(e.Append(h.Append(nil)))
	}
}
