package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// serveBare is the bare server: one goroutine a connection reads, answers every
// whole frame in its buffer with a fixed reply of the size that getData has for
// 100 bytes, and writes once for each read. It understands nothing else, so its
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
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		go serveBareConn(conn)
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

func serveBareConn(conn net.Conn) {
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
		var leaves bool
		out, used, leaves = answerBare(out[:0], in[:have])
		full := have == len(in)
		have = copy(in, in[used:have])
		if _, err := conn.Write(out); err != nil || leaves {
			return
		}
		if full && len(in) < bareMost {
			in = append(in, make([]byte, len(in))...)
		}
	}
}

// answerBare appends a reply for each whole frame of b, and returns how many
// bytes those take and whether one of them closes the session.
func answerBare(out, b []byte) (_ []byte, used int, leaves bool) {
	for len(b)-used >= 12 {
		size := 4 + int(binary.BigEndian.Uint32(b[used:]))
		if len(b)-used < size {
			break
		}
		start := len(out)
		out = append(out, bareReply...)
		copy(out[start+4:start+8], b[used+4:used+8])
		leaves = wire.Opcode(int32(binary.BigEndian.Uint32(b[used+8:]))) == wire.OpCloseSession
		used += size
	}
	return out, used, leaves
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
