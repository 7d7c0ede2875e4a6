package loadgen

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// readiness is what a poller found: the slot of a connection, and what it can do.
type readiness struct {
	slot    int32
	in, out bool
}

// poller waits for many sockets at once with epoll. It belongs to one loop.
type poller struct {
	fd     int
	events [128]unix.EpollEvent
	ready  []readiness
	coarse bool // the kernel has no epoll_pwait2: waits are whole milliseconds
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{fd: fd}, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

func interest(out bool) uint32 {
	if out {
		return unix.EPOLLIN | unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

func (p *poller) add(fd int, slot int32, out bool) error {
	ev := unix.EpollEvent{Events: interest(out), Fd: slot}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev)
}

func (p *poller) change(fd int, slot int32, out bool) error {
	ev := unix.EpollEvent{Events: interest(out), Fd: slot}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &ev)
}

// remove is not needed here: a closed descriptor leaves the set by itself.
func (p *poller) remove(int, int32) {}

// wait returns what is ready, or nothing after the time is up.
func (p *poller) wait(d time.Duration) ([]readiness, error) {
	n, err := p.pwait(d)
	if err == unix.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.ready = p.ready[:0]
	for i := range p.events[:n] {
		e := &p.events[i]
		broken := e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0
		p.ready = append(p.ready, readiness{
			slot: e.Fd,
			in:   broken || e.Events&unix.EPOLLIN != 0,
			out:  broken || e.Events&unix.EPOLLOUT != 0,
		})
	}
	return p.ready, nil
}

func (p *poller) pwait(d time.Duration) (int, error) {
	if !p.coarse {
		n, err := epollPwait2(p.fd, p.events[:], d)
		if err != unix.ENOSYS {
			return n, err
		}
		p.coarse = true
	}
	return unix.EpollWait(p.fd, p.events[:], int((d+time.Millisecond-1)/time.Millisecond))
}

// sharpTimers ties the goroutine to its thread and asks the kernel to wake that
// thread without the usual 50 us of slack. The thread ends with the goroutine.
func sharpTimers() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

// newSocket returns a TCP socket that does not block.
func newSocket(family int) (int, error) {
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
}
