package node

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// asideNice is how much nicer than the rest of the server a thread is that does
// long work: it gets about a third of what another one gets that wants the
// processor, too, and one that wakes up to answer somebody need not wait for the
// end of its time slice. More would be worse: the garbage collector waits for it,
// and whoever wants a lock that it holds.
const asideNice = 5

// aside does long work, that of bringing a server up to date, on a thread of its
// own which is nicer to all others, and returns when it is done. A snapshot of a
// server that serves is not such work: it holds a lock for half of its time.
func aside(work func() error) error {
	done := make(chan error)
	go func() {
		// A thread whose goroutine ends with it ends as well, and its niceness.
		runtime.LockOSThread()
		if priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
			nice := 20 - priority // as the system call tells it
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, min(nice+asideNice, 19))
		}
		done <- work()
	}()
	return <-done
}
