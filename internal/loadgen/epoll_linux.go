package loadgen

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollPwait2 is epoll_wait with a time limit in ns (Linux 5.11); x/sys has no
// function for it.
func epollPwait2(fd int, events []unix.EpollEvent, d time.Duration) (int, error) {
	ts := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(fd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
