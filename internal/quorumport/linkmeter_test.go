package quorumport

import (
	"io"
	"testing"
	"time"
)

// What waits behind a bulk part is told to the meter when the writer takes it.
func TestLinkMeter(t *testing.T) {
	checkLeaks(t)
	l, _, peer := startLink(t, LinkOptions{}, false)
	type taken struct{ queued, taken int }
	told := make(chan taken, 10)
	if l.Measured() {
		t.Error("measured without a meter")
	}
	l.Measure(func(queued, n int, waited time.Duration) {
		if waited < 0 {
			t.Errorf("waited %v", waited)
		}
		told <- taken{queued, n}
	})
	if !l.Measured() {
		t.Error("not measured with a meter")
	}
	running, goOn := make(chan struct{}), make(chan struct{})
	l.Stream(func(io.Writer) error {
		close(running)
		<-goOn
		return nil
	})
	<-running
	big := make([]byte, pieceMost) // a piece of its own
	l.Send([]byte("not counted"))
	l.SendPackets([]byte("ab"), 2)
	l.SendPackets([]byte("c"), 1)
	l.SendPackets(big, 4)
	close(goOn)
	if _, err := io.ReadFull(peer, make([]byte, len("not countedabc")+len(big))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []taken{{7, 3}, {4, 4}} {
		if got := <-told; got != want {
			t.Errorf("the meter is told %+v, want %+v", got, want)
		}
	}
}
