package clientport

import (
	"io"
	"net"
	"testing"
)

// TestMove: the port goes where it is told, connections stay, and where it was
// nobody listens any more. One that cannot be had changes nothing.
func TestMove(t *testing.T) {
	e := listen(t, Limits{})
	first := e.p.Addr().String()
	stays := e.dial(t)
	ask := func(nc net.Conn) {
		t.Helper()
		if _, err := nc.Write(framed([]byte("hello"))); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
	}
	ask(stays)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := e.p.Move(taken.Addr().String()); err == nil || e.p.Addr().String() != first {
		t.Fatalf("moved to a port that is taken: %v, listens on %s", err, e.p.Addr())
	}
	ask(e.dial(t))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := free.Addr().String()
	free.Close()
	for range 2 { // the second time there is nothing to do
		if err := e.p.Move(second); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.p.Addr().String(); got != second {
		t.Fatalf("listens on %s, want %s", got, second)
	}
	ask(e.dial(t))
	ask(stays)
	if nc, err := net.Dial("tcp", first); err == nil {
		nc.Close()
		t.Errorf("%s still takes connections", first)
	}
	// A wildcard of the same port: the old socket stands in its way.
	_, port, _ := net.SplitHostPort(second)
	if err := e.p.Move(net.JoinHostPort("0.0.0.0", port)); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", second)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ask(nc)
	ask(stays)
}
