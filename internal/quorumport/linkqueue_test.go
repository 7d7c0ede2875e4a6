package quorumport

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestLinkNeverRead: a peer that takes nothing is cut off by the clock too, not
// only by what waits for it; one that reads late but in time is not.
func TestLinkNeverRead(t *testing.T) {
	checkLeaks(t)
	l, h, _ := startLink(t, LinkOptions{TakesWithin: 50 * time.Millisecond}, false)
	for range 3 {
		l.Send(make([]byte, 8<<20)) // more than two sockets hold
	}
	if err := h.down(t); !errors.Is(err, ErrLinkQueue) || !strings.Contains(err.Error(), "unread for 50ms") {
		t.Fatal(err)
	}
	l, _, peer := startLink(t, LinkOptions{TakesWithin: time.Minute}, false)
	const size = 8<<20 + 1
	l.Send(make([]byte, size))
	if n, err := io.CopyN(io.Discard, peer, size); n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	l.Close(nil)
}

// TestLinkShare: what waits on several links counts together, and no longer once
// it is written, its link is over or counts elsewhere.
func TestLinkShare(t *testing.T) {
	checkLeaks(t)
	s := NewQueueShare(1000)
	open := func() (*Link, *recorder, func()) {
		l, h, peer := startLink(t, LinkOptions{}, false)
		running, goOn := make(chan struct{}), make(chan struct{})
		l.Stream(func(io.Writer) error {
			close(running)
			<-goOn
			return nil
		})
		<-running
		l.Share(s)
		go io.Copy(io.Discard, peer)
		return l, h, func() { close(goOn) }
	}
	a, _, writeA := open()
	b, downB, writeB := open()
	c, _, writeC := open()
	defer writeC()
	a.Send(make([]byte, 600))
	c.Send(make([]byte, 300))
	b.Send(make([]byte, 200))
	writeB() // it is over, but its stream still has to end
	err := downB.down(t)
	if !errors.Is(err, ErrLinkQueue) || !strings.Contains(err.Error(), "1100 for all servers that are not in the configuration") {
		t.Fatal(err)
	}
	if n := s.waiting(); n != 900 {
		t.Fatalf("%d bytes count after the link that made it too much, want 900", n)
	}
	c.Share(nil)
	if n := s.waiting(); n != 600 {
		t.Fatalf("%d bytes count without the link that has left, want 600", n)
	}
	writeA()
	comesTrue(t, "nothing counts that is written", func() bool { return s.waiting() == 0 })
}

// comesTrue asks again and again, for what nothing tells of.
func comesTrue(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(10 * time.Second); !holds(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
