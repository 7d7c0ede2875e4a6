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
	ended   bool // the other side sends no more: read until that shows
}

// poller waits for many sockets at once with epoll, edge-triggered: a socket is
// registered once for all, and the kernel does not look at it again after each
// wait. Whoever reads a socket must therefore read until it is empty. It belongs
// to one loop.
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

func (p *poller) add(fd int, slot int32, _ bool) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: slot}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev)
}

// change is not needed here: an edge comes whenever a full socket takes bytes again.
func (p *poller) change(int, int32, bool) error { return nil }

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
			slot:  e.Fd,
			in:    broken || e.Events&unix.EPOLLIN != 0,
			out:   broken || e.Events&unix.EPOLLOUT != 0,
			ended: broken || e.Events&unix.EPOLLRDHUP != 0,
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
