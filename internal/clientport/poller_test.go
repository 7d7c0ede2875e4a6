package clientport

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestOthersEvents: what a poller is told late, of a connection whose number has
// been given away, is not taken to one that another poller looks after.
func TestOthersEvents(t *testing.T) {
	mine, other := &poller{}, &poller{}
	p := &Port{conns: []*Conn{nil, {id: 1, poll: mine}, {id: 2, poll: other}, nil}}
	events := []unix.EpollEvent{{Fd: 1}, {Fd: 2}, {Fd: 3}, {Fd: 4}}
	got := p.byEvents(mine, events, nil)
	if len(got) != 4 || got[0] != p.conns[1] || got[1] != nil || got[2] != nil || got[3] != nil {
		t.Errorf("a poller is to look after %v", got)
	}
}
