package clientport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// reuseAddress lets a restarted server take its port while connections of the
// old one are still in TIME_WAIT.
func reuseAddress(_, _ string, raw syscall.RawConn) error {
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}); e != nil {
		return e
	}
	return err
}

// setBacklog calls listen again with the configured queue length, which is
// allowed on a listening socket. The system's limit still holds.
func setBacklog(ln net.Listener, backlog int) {
	if backlog <= 0 {
		return
	}
	if raw, err := ln.(*net.TCPListener).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), backlog) })
	}
}
