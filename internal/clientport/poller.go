package clientport

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is a goroutine that looks after a share of the connections. It waits
// for many sockets at once, with an epoll set of its own that is registered
// edge-triggered: a socket is announced once when something comes, and the
// kernel does not look at it again. The set stands in the runtime's own poller
// like a socket, so that a goroutine waits for it and no thread.
//
// Whatever the poller does ends soon: it never waits for a client or for the
// core. What can take long is done beside it (Conn.beside).
type poller struct {
	port   *Port
	fd     int
	file   *os.File // owner of fd
	raw    syscall.RawConn
	events []unix.EpollEvent
	n      int // events that the last look found
	look   func(uintptr) bool
	woken  []*Conn // being looked after; memory to use again

	mu     sync.Mutex
	kicked []*Conn // to be looked after though their sockets said nothing
	parked bool    // nobody looks at kicked unless woken up
	ending bool
	ended  chan struct{}
}

// eventsAtOnce is how many sockets one look at the set announces at most.
const eventsAtOnce = 256

// interest is what a socket is watched for from the beginning; a full one is
// watched for its becoming writable too.
const interest = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

func newPoller(p *Port) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not let it be waited for
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	q := &poller{port: p, fd: fd, events: make([]unix.EpollEvent, eventsAtOnce), ended: make(chan struct{})}
	q.file = os.NewFile(uintptr(fd), "epoll")
	q.look = q.lookOnce
	if q.raw, err = q.file.SyscallConn(); err != nil {
		q.file.Close()
		return nil, err
	}
	return q, nil
}

// watch adds the socket of a connection to the set; from here on the poller
// has it.
func (q *poller) watch(fd int, id uint32) error {
	ev := unix.EpollEvent{Events: interest, Fd: int32(id)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(q.fd, unix.EPOLL_CTL_ADD, fd, &ev))
}

// watchWrites has the set announce that a full socket takes bytes again, at
// once if it does so already. The connection is marked as writing.
func (q *poller) watchWrites(c *Conn) error {
	ev := unix.EpollEvent{Events: interest | unix.EPOLLOUT, Fd: int32(c.id)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(q.fd, unix.EPOLL_CTL_MOD, c.fd, &ev))
}

// forget takes a connection's socket out of the set.
func (q *poller) forget(c *Conn) {
	_ = unix.EpollCtl(q.fd, unix.EPOLL_CTL_DEL, c.fd, nil)
}

// run looks after the connections until stop.
func (q *poller) run() {
	defer close(q.ended)
	conns := make([]*Conn, 0, eventsAtOnce)
	alone := runtime.GOMAXPROCS(0) == 1
	for {
		if !q.gather() {
			return
		}
		conns = q.port.byEvents(q, q.events[:q.n], conns[:0])
		for i, c := range conns {
			if c != nil {
				c.announced(q.events[i].Events)
			}
		}
		for i, c := range q.woken {
			c.advance()
			q.woken[i] = nil
		}
		q.port.Core.Settle()
		if alone {
			runtime.Gosched() // nobody else begins with what was handed over
		}
	}
}

// gather waits until there is something to do: sockets that are announced
// (events) or connections that were kicked (woken). It is false in the end.
func (q *poller) gather() bool {
	q.mu.Lock()
	q.woken, q.kicked = q.kicked, q.woken[:0]
	q.parked = len(q.woken) == 0
	ending := q.ending
	q.mu.Unlock()
	if ending {
		return false
	}
	if len(q.woken) > 0 {
		q.lookOnce(0)
		return true
	}
	q.n = 0
	err := q.raw.Read(q.look)
	q.mu.Lock()
	q.parked = false
	q.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = q.file.SetReadDeadline(time.Time{})
	}
	return true
}

// lookOnce takes what the set has to announce now. It is no blocking call, so
// the scheduler needs not know of it.
func (q *poller) lookOnce(uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(q.fd),
			uintptr(unsafe.Pointer(&q.events[0])), uintptr(len(q.events)), 0, 0, 0)
		switch errno {
		case 0:
			q.n = int(n)
		case syscall.EINTR: // what is announced must not be left for an edge that has been
			continue
		default:
			q.n = 0
		}
		return q.n > 0
	}
}

// kick has the poller look after a connection.
func (q *poller) kick(c *Conn) {
	q.mu.Lock()
	q.kicked = append(q.kicked, c)
	wake := q.parked
	q.parked = false
	q.mu.Unlock()
	if wake {
		q.wakeUp()
	}
}

// wakeUp ends the wait for the set: by a deadline that is over, since that
// needs no system call.
func (q *poller) wakeUp() { _ = q.file.SetReadDeadline(time.Unix(1, 0)) }

// stop ends the poller; it has no connections any more.
func (q *poller) stop() {
	q.mu.Lock()
	q.ending = true
	q.mu.Unlock()
	q.wakeUp()
	<-q.ended
	q.file.Close()
}

// readSocket reads once from a socket that does not block; 0 bytes without an
// error are the end of the stream. The call never waits, so the scheduler is not
// told of it, which would cost more than the call.
func readSocket(fd int, b []byte) (int, error) { return transfer(unix.SYS_READ, fd, b) }

// writeSocket writes once to a socket that does not block.
func writeSocket(fd int, b []byte) (int, error) { return transfer(unix.SYS_WRITE, fd, b) }

func transfer(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
