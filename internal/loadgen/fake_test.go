package loadgen

import (
	"encoding/binary"
	"io"
	"net"
	"path"
	"sync"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// fake is a server with just the operations that the load generator uses, and a
// real tree, so that a test can see what a run leaves behind.
type fake struct {
	addr   string
	secret string // auth data that is accepted; "" accepts all

	mu       sync.Mutex
	nodes    map[string]string // data
	below    map[string]map[string]bool
	owners   map[string]int64 // of ephemerals
	watches  map[string]map[*fakeConn]bool
	sessions int64
	open     int
	ops      map[wire.Opcode]int
	zxid     int64
	refuse   map[wire.Opcode]wire.Code
	mute     map[wire.Opcode]bool // never answered
	hangUp   int                  // connections that are closed at once, from now on
}

type fakeConn struct {
	net.Conn
	session int64
	wmu     sync.Mutex
}

func newFake(t *testing.T) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fake{
		addr: ln.Addr().String(), nodes: map[string]string{"/": ""}, below: map[string]map[string]bool{}, owners: map[string]int64{},
		watches: map[string]map[*fakeConn]bool{}, ops: map[wire.Opcode]int{},
		refuse: map[wire.Opcode]wire.Code{}, mute: map[wire.Opcode]bool{},
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(&fakeConn{Conn: conn}) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return s
}

func (s *fake) options(workload string) Options {
	o := NewOptions(workload)
	o.Servers = []string{s.addr}
	o.Connections, o.Depth, o.Keys, o.Warmup = 4, 3, 50, 0
	return o
}

// left is what stands in the tree beside the root.
func (s *fake) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for n := range s.nodes {
		if n != "/" {
			names = append(names, n)
		}
	}
	return names
}

func (s *fake) count(op wire.Opcode) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops[op]
}

func (c *fakeConn) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	f := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c, f)
	return f, err
}

func (c *fakeConn) send(body []byte) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, _ = c.Write(append(jute.AppendInt(nil, int32(len(body))), body...))
}

func (s *fake) serve(c *fakeConn) {
	defer c.Close()
	if !s.welcome(c) {
		return
	}
	defer s.leave(c)
	for {
		f, err := c.frame()
		if err != nil {
			return
		}
		d := jute.NewDecoder(f)
		xid, op := d.Int(), wire.Opcode(d.Int())
		s.mu.Lock()
		s.ops[op]++
		h := wire.ReplyHeader{Xid: xid}
		rest := s.answer(c, op, &d, &h)
		mute := s.mute[op]
		s.mu.Unlock()
		if !mute {
			c.send(append(h.Append(nil), rest...))
		}
		if op == wire.OpCloseSession || h.Err == wire.CodeAuthFailed {
			return
		}
	}
}

func (s *fake) welcome(c *fakeConn) bool {
	s.mu.Lock()
	if s.hangUp > 0 {
		s.hangUp--
		s.mu.Unlock()
		return false
	}
	s.sessions++
	s.open++
	c.session = s.sessions
	s.mu.Unlock()
	f, err := c.frame()
	if err != nil {
		return false
	}
	var q wire.ConnectRequest
	d := jute.NewDecoder(f)
	q.Decode(&d)
	r := wire.ConnectResponse{TimeOut: q.TimeOut, SessionID: c.session, Passwd: make([]byte, 16), HasReadOnly: true}
	c.send(r.Append(nil))
	return true
}

// leave ends a session; ephemerals go, as closeSession would have it.
func (s *fake) leave(c *fakeConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	for _, w := range s.watches {
		delete(w, c)
	}
}

// answer carries one request out, under the lock.
func (s *fake) answer(c *fakeConn, op wire.Opcode, d *jute.Decoder, h *wire.ReplyHeader) []byte {
	s.zxid++
	h.Zxid = s.zxid
	if code := s.refuse[op]; code != 0 {
		h.Err = code
		return nil
	}
	switch op {
	case wire.OpPing:
		return nil
	case wire.OpAuth:
		var a wire.AuthPacket
		if a.Decode(d); s.secret != "" && string(a.Auth) != s.secret {
			h.Err = wire.CodeAuthFailed
		}
		return nil
	case wire.OpCloseSession:
		for n, owner := range s.owners {
			if owner == c.session {
				s.remove(n)
				delete(s.owners, n)
			}
		}
		return nil
	}
	name := d.String()
	data, there := s.nodes[name]
	if !there && op != wire.OpCreate {
		h.Err = wire.CodeNoNode
		return nil
	}
	var stat wire.Stat
	switch op {
	case wire.OpCreate:
		return s.create(c, name, there, d, h)
	case wire.OpDelete:
		if len(s.below[name]) > 0 {
			h.Err = wire.CodeNotEmpty
			return nil
		}
		s.remove(name)
	case wire.OpExists:
		return stat.Append(nil)
	case wire.OpGetChildren:
		return wire.AppendPaths(nil, s.children(name))
	case wire.OpGetData:
		if d.Bool() {
			if s.watches[name] == nil {
				s.watches[name] = map[*fakeConn]bool{}
			}
			s.watches[name][c] = true
		}
		return wire.AppendGetDataResponse(nil, []byte(data), &stat)
	case wire.OpSetData:
		s.nodes[name] = string(d.Buffer())
		s.fire(name)
		return stat.Append(nil)
	}
	return nil
}

func (s *fake) create(c *fakeConn, name string, there bool, d *jute.Decoder, h *wire.ReplyHeader) []byte {
	data := d.Buffer()
	wire.RawACLs(d)
	_, parent := s.nodes[path.Dir(name)]
	switch {
	case there:
		h.Err = wire.CodeNodeExists
	case !parent:
		h.Err = wire.CodeNoNode
	default:
		s.put(name, string(data))
		if d.Int()&1 != 0 {
			s.owners[name] = c.session
		}
		return jute.AppendString(nil, name)
	}
	return nil
}

func (s *fake) children(name string) [][]byte {
	found := [][]byte{}
	for n := range s.below[name] {
		found = append(found, []byte(n))
	}
	return found
}

func (s *fake) put(name, data string) {
	s.nodes[name] = data
	if s.below[path.Dir(name)] == nil {
		s.below[path.Dir(name)] = map[string]bool{}
	}
	s.below[path.Dir(name)][path.Base(name)] = true
}

func (s *fake) remove(name string) {
	delete(s.nodes, name)
	delete(s.below[path.Dir(name)], path.Base(name))
}

func (s *fake) fire(name string) {
	h := wire.ReplyHeader{Xid: wire.XidNotification, Zxid: s.zxid}
	e := wire.WatcherEvent{Type: wire.EventNodeDataChanged, State: wire.StateSyncConnected, Path: []byte(name)}
	for c := range s.watches[name] {
		c.send(e.Append(h.Append(nil)))
	}
	delete(s.watches, name)
}
