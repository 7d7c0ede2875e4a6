package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// The ports that the ring gives to servers: below the range from which the
// kernel takes the ports of outgoing connections, so that no client can sit on
// the port of a server that is down for a moment.
const (
	lowPort   = 14000
	highPort  = 32000
	portBlock = 100
)

// ports hands out the ports of this process. Test binaries run side by side,
// and a port is only bound while its server lives, so each process takes whole
// blocks and holds a lock on each until it ends.
var ports struct {
	sync.Mutex
	locks      []*os.File // keep the locks: a collected file would be closed
	next, last int        // the rest of the block at hand
}

// freePort picks a loopback port that nobody listens on and that no other test
// process will be given while this one runs.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for {
		if ports.next == ports.last {
			if err := claimPorts(); err != nil {
				t.Fatal(err)
			}
		}
		port := ports.next
		ports.next++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
}

// FreePort is a port for what a test has a server listen on besides its client
// port.
func FreePort(t testing.TB) int { return freePort(t) }

// claimPorts locks a block of ports that no process holds. The search begins at
// a place of this process's own, so that a block that has just been given back
// rests for a while.
func claimPorts() error {
	dir := filepath.Join(os.TempDir(), "zooid-interop-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	const blocks = (highPort - lowPort) / portBlock
	for i := range blocks {
		block := (os.Getpid() + i) % blocks
		lock, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(block)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return err
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			lock.Close()
			continue
		}
		ports.locks = append(ports.locks, lock)
		ports.next = lowPort + block*portBlock
		ports.last = ports.next + portBlock
		return nil
	}
	return fmt.Errorf("no block of ports is free between %d and %d", lowPort, highPort)
}
