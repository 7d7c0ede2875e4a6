package quorumport

import (
	"net"
	"testing"
)

// TestElectionMoves: the port goes where it is told while connections stay, is
// found there, and no longer where it was.
func TestElectionMoves(t *testing.T) {
	all := newVoters(t, 1, 2)
	first, second := all[0].address(), freeAddress(t)
	all[1].Send(1, vote(1))
	all[0].awaitVote(2, 1)
	all[0].Move([]string{second}, func(err error) { t.Error(err) })
	all[0].eventually("the port moves", func() bool {
		a := all[0].Addrs()
		return len(a) == 1 && a[0].String() == second
	})
	all[1].Send(1, vote(2))
	all[0].awaitVote(2, 2) // by the connection that there was
	if nc, err := net.Dial("tcp", first); err == nil {
		nc.Close()
		t.Errorf("%s still takes connections", first)
	}
	acquaint(all[0], all[1])
	all[1].Drop(1)
	all[1].awaitChange(1, false)
	all[1].Send(1, vote(3))
	all[0].awaitVote(2, 3)

	// A wildcard of the same port: the old socket stands in its way. Of several
	// calls the last counts.
	_, port, _ := net.SplitHostPort(second)
	for range 3 {
		all[0].Move([]string{net.JoinHostPort("0.0.0.0", port)}, func(err error) { t.Error(err) })
	}
	all[0].eventually("the port is a wildcard", func() bool {
		a := all[0].Addrs()
		return len(a) == 1 && a[0].(*net.TCPAddr).IP.IsUnspecified()
	})
}

// TestElectionMoveFails: a port that cannot be had is told of, and the old one
// stays open.
func TestElectionMoveFails(t *testing.T) {
	all := newVoters(t, 1, 2)
	told := make(chan error, 1)
	all[0].Move([]string{all[1].address()}, func(err error) { told <- err })
	if err := <-told; err == nil {
		t.Error("no error")
	}
	if a := all[0].Addrs(); len(a) != 1 {
		t.Errorf("listens on %v", a)
	}
}
