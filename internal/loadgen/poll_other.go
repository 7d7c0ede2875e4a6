//go:build unix && !linux

package loadgen

import (
	"time"

	"golang.org/x/sys/unix"
)

// readiness is what a poller found: the slot of a connection, and what it can do.
type readiness struct {
	slot    int32
	in, out bool
	ended   bool // the other side sends no more: read until that shows
}

// poller waits for many sockets at once with poll(2), which every unix has: good
// for hundreds of connections, slow for ten thousand. It belongs to one loop.
type poller struct {
	fds   []unix.PollFd
	slots []int32
	ready []readiness
}

func newPoller() (*poller, error) { return &poller{}, nil }

func (p *poller) close() {}

func interest(out bool) int16 {
	if out {
		return unix.POLLIN | unix.POLLOUT
	}
	return unix.POLLIN
}

func (p *poller) add(fd int, slot int32, out bool) error {
	p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: interest(out)})
	p.slots = append(p.slots, slot)
	return nil
}

func (p *poller) change(fd int, slot int32, out bool) error {
	for i := range p.slots {
		if p.slots[i] == slot && p.fds[i].Fd == int32(fd) {
			p.fds[i].Events = interest(out)
		}
	}
	return nil
}

func (p *poller) remove(fd int, slot int32) {
	for i := range p.slots {
		if p.slots[i] == slot && p.fds[i].Fd == int32(fd) {
			last := len(p.slots) - 1
			p.fds[i], p.slots[i] = p.fds[last], p.slots[last]
			p.fds, p.slots = p.fds[:last], p.slots[:last]
			return
		}
	}
}

// wait returns what is ready, or nothing after the time is up.
func (p *poller) wait(d time.Duration) ([]readiness, error) {
	_, err := unix.Poll(p.fds, int((d+time.Millisecond-1)/time.Millisecond))
	if err == unix.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.ready = p.ready[:0]
	for i := range p.fds {
		r := p.fds[i].Revents
		if r == 0 {
			continue
		}
		broken := r&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
		p.ready = append(p.ready, readiness{
			slot: p.slots[i],
			in:   broken || r&unix.POLLIN != 0,
			out:  broken || r&unix.POLLOUT != 0,
		})
	}
	return p.ready, nil
}

// sharpTimers does nothing here: waits are whole milliseconds.
func sharpTimers() {}

// newSocket returns a TCP socket that does not block.
func newSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
