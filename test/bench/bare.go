package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// serveBare is the bare server: one goroutine a connection reads, answers every
// whole frame in its buffer with a fixed reply of the size that getData has for
// 100 bytes, and writes once for each read. A setData sends a fixed event to every
// connection whose getData has asked for one. It understands nothing else, so its
// numbers are the ceiling of what a Go socket server reaches on this machine.
func serveBare(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	return acceptBare(ln)
}

// acceptBare serves until the listener is closed.
func acceptBare(ln net.Listener) error {
	var w bareWatchers
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		go serveBareConn(conn, &w)
	}
}

// bareReply is a getData reply of 100 bytes, length included; the xid is open.
var bareReply = newBareReply()

func newBareReply() []byte {
	b := make([]byte, 4)
	h := wire.ReplyHeader{Zxid: 1}
	b = h.Append(b)
	b = wire.AppendGetDataResponse(b, make([]byte, 100), &wire.Stat{DataLength: 100})
	jute.PutInt(b, int32(len(b)-4))
	return b
}

// A connection's buffers start small, so that a session costs little, and grow
// once a read fills them.
const bareStart, bareMost = 2 << 10, 64 << 10

func serveBareConn(conn net.Conn, w *bareWatchers) {
	defer conn.Close()
	in := make([]byte, bareStart)
	if err := welcomeBare(conn, in); err != nil {
		return
	}
	var out []byte
	have := 0
	for {
		if have == len(in) {
			return // a frame larger than any that the comparison sends
		}
		n, err := conn.Read(in[have:])
		if err != nil {
			return
		}
		have += n
		var used int
		var seen bareRequests
		out, used, seen = answerBare(out[:0], in[:have])
		if seen.watches {
			w.add(conn)
		} else if seen.set != nil {
			w.fire(seen.set)
		}
		full := have == len(in)
		have = copy(in, in[used:have])
		if _, err := conn.Write(out); err != nil || seen.leaves {
			return
		}
		if full && len(in) < bareMost {
			in = append(in, make([]byte, len(in))...)
		}
	}
}

// bareRequests is what matters of some requests.
type bareRequests struct {
	leaves  bool   // the session is closed
	watches bool   // a getData has a watch
	set     []byte // the path of a setData, with its length
}

// answerBare appends a reply for each whole frame of b, and returns how many
// bytes those take and what matters of them.
func answerBare(out, b []byte) (_ []byte, used int, seen bareRequests) {
	for len(b)-used >= 12 {
		size := 4 + int(binary.BigEndian.Uint32(b[used:]))
		if len(b)-used < size {
			break
		}
		start := len(out)
		out = append(out, bareReply...)
		copy(out[start+4:start+8], b[used+4:used+8])
		switch wire.Opcode(int32(binary.BigEndian.Uint32(b[used+8:]))) {
		case wire.OpCloseSession:
			seen.leaves = true
		case wire.OpGetData:
			seen.watches = seen.watches || b[used+size-1] == 1
		case wire.OpSetData:
			if body := b[used+12 : used+size]; len(body) > 4 {
				seen.set = body[:4+binary.BigEndian.Uint32(body)]
			}
		}
		used += size
	}
	return out, used, seen
}

// bareWatchers are the connections that wait for an event.
type bareWatchers struct {
	mu    sync.Mutex
	conns []net.Conn
	event []byte
}

func (w *bareWatchers) add(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
}

// fire sends the event of a change to those that wait.
func (w *bareWatchers) fire(path []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) == 0 {
		return
	}
	h := wire.ReplyHeader{Xid: wire.XidNotification, Zxid: 1}
	w.event = h.Append(append(w.event[:0], 0, 0, 0, 0))
	w.event = jute.AppendInt(jute.AppendInt(w.event, wire.EventNodeDataChanged), wire.StateSyncConnected)
	w.event = append(w.event, path...)
	jute.PutInt(w.event, int32(len(w.event)-4))
	for _, c := range w.conns {
		_, _ = c.Write(w.event) // one that is gone notices by itself
	}
	w.conns = w.conns[:0]
}

// bareWelcome is the answer to any handshake.
var bareWelcome = newBareWelcome()

func newBareWelcome() []byte {
	b := make([]byte, 4)
	r := wire.ConnectResponse{TimeOut: 30000, SessionID: 1, Passwd: make([]byte, 16), HasReadOnly: true}
	b = r.Append(b)
	jute.PutInt(b, int32(len(b)-4))
	return b
}

// welcomeBare answers the handshake, which comes alone.
func welcomeBare(conn net.Conn, in []byte) error {
	have := 0
	for have < 4 || have < 4+int(binary.BigEndian.Uint32(in)) {
		if have == len(in) {
			return io.ErrShortBuffer
		}
		n, err := conn.Read(in[have:])
		if err != nil {
			return err
		}
		have += n
	}
	_, err := conn.Write(bareWelcome)
	return err
}
