package clientport

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a socket that goroutines wait for, and that crypto/tls takes for a
// connection. It is the descriptor itself: what package net would make of it has
// another one.
type socket struct {
	file   *os.File
	raw    syscall.RawConn
	first  []byte // read from it before
	remote net.Addr
}

// newSocket takes over a descriptor that does not block.
func newSocket(fd int, first []byte) *socket {
	s := &socket{file: os.NewFile(uintptr(fd), "socket"), first: first}
	s.raw, _ = s.file.SyscallConn()
	return s
}

// Read implements net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(b, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	return s.file.Read(b)
}

// next waits for bytes before it takes memory for them, so that none is held
// while nothing comes. Recycle takes the memory back.
func (s *socket) next() (mem *Buffer, n int, err error) {
	failed := s.raw.Read(func(fd uintptr) bool {
		mem = buffers.Get().(*Buffer)
		n, err = readSocket(int(fd), mem.b)
		if n > 0 {
			return true
		}
		Recycle(mem)
		mem = nil
		return err != unix.EAGAIN
	})
	switch {
	case failed != nil:
		return nil, 0, failed
	case mem == nil && err == nil:
		return nil, 0, io.EOF
	}
	return mem, n, err
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) { return s.file.Write(b) }

// Close implements net.Conn.
func (s *socket) Close() error { return s.file.Close() }

// CloseWrite says that nothing more is written.
func (s *socket) CloseWrite() error {
	var err error
	if failed := s.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); failed != nil {
		return failed
	}
	return err
}

// LocalAddr implements net.Conn.
func (s *socket) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return s.remote }

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error { return s.file.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.file.SetWriteDeadline(t) }
