package clientport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
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

// tune gives a listening socket the configured queue length, by calling listen
// again, which is allowed; the system's limit still holds. The options are those
// that the connections shall have: they inherit them.
func tune(fd uintptr, backlog int, keepAlive bool) {
	if backlog > 0 {
		_ = unix.Listen(int(fd), backlog)
	}
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if keepAlive {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// listener is a listening socket of which connections are taken by the dozen,
// as sockets that the runtime does not know.
type listener struct {
	file   *os.File
	raw    syscall.RawConn
	addr   net.Addr
	top    int // Limits.Descriptors
	closed atomic.Bool
}

// bind listens on address, for the port that an option of the configuration names.
// The error says what to do.
func bind(option, address string, limits *Limits) (*listener, error) {
	cfg := net.ListenConfig{KeepAlive: -1, Control: reuseAddress}
	ln, err := cfg.Listen(context.Background(), "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("client port %s is in use by another process: stop it or choose another %s", address, option)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on client port %s (%s): %w", address, option, err)
	}
	defer ln.Close() // the file has a descriptor of its own
	l := &listener{addr: ln.Addr(), top: limits.Descriptors}
	if l.file, err = ln.(*net.TCPListener).File(); err != nil {
		return nil, fmt.Errorf("cannot listen on client port %s (%s): %w", address, option, err)
	}
	if l.raw, err = l.file.SyscallConn(); err == nil {
		err = l.raw.Control(func(fd uintptr) { tune(fd, limits.Backlog, limits.KeepAlive) })
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot listen on client port %s (%s): %w", address, option, err)
	}
	return l, nil
}

// Close stops listening.
func (l *listener) Close() {
	l.closed.Store(true)
	_ = l.file.Close()
}

// accepted is a socket that a client has connected to.
type accepted struct {
	fd   int
	from syscall.Sockaddr
}

// acceptsAtOnce is how many connections are taken by one look at a listening
// socket.
const acceptsAtOnce = 64

// accept waits for connections and returns those that are there, in the memory
// of got. After Close the error is os.ErrClosed.
func (l *listener) accept(got []accepted) ([]accepted, error) {
	var failed error
	err := l.raw.Read(func(fd uintptr) bool {
		for len(got) < acceptsAtOnce {
			nfd, from, err := syscall.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) // unix's asks for more
			switch err {
			case nil:
				got = append(got, accepted{nfd, from})
				if l.top > 0 && nfd >= l.top {
					return true // it is refused before another one takes a descriptor
				}
				continue
			case syscall.EINTR, syscall.ECONNABORTED:
				continue
			case syscall.EAGAIN:
				return len(got) > 0
			}
			failed = os.NewSyscallError("accept4", err)
			return true
		}
		return true
	})
	switch {
	case l.closed.Load() && len(got) == 0:
		err = os.ErrClosed
	case err == nil && len(got) == 0:
		err = failed // what was got before counts first
	}
	return got, err
}

// addressOf returns a client's address; one of IPv4 is never in the clothes of
// IPv6.
func addressOf(from syscall.Sockaddr) netip.AddrPort {
	switch a := from.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			if i, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				ip = ip.WithZone(i.Name)
			}
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}
