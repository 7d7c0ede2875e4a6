package clientport

import (
	"io"
	"net"
	"os"
	"testing"
)

// TestDescriptorsAreLeft: clients get no file descriptor from the limit on, however
// many come at once, and connections are taken again once some are back.
func TestDescriptorsAreLeft(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	top := int(f.Fd()) + 24
	f.Close()
	e := listen(t, Limits{Descriptors: top})
	serves := func(nc net.Conn) bool {
		t.Helper()
		if _, err := nc.Write(framed([]byte("hello"))); err != nil {
			return false
		}
		_, err := io.ReadFull(nc, make([]byte, 9))
		return err == nil
	}
	var good, bad []net.Conn
	for range top {
		if nc := e.dial(t); serves(nc) {
			good = append(good, nc)
		} else {
			bad = append(bad, nc)
		}
	}
	for _, c := range e.p.Conns() {
		c.mu.Lock()
		if c.fd >= top {
			t.Errorf("a client has descriptor %d, and %d is the limit", c.fd, top)
		}
		c.mu.Unlock()
	}
	if len(good) == 0 || len(bad) == 0 || !serves(good[0]) {
		t.Fatalf("%d connections serve, %d do not", len(good), len(bad))
	}
	for _, nc := range append(good, bad...) {
		nc.Close()
	}
	e.settle(t)
	if !serves(e.dial(t)) {
		t.Error("nobody is taken though descriptors are back")
	}
}
