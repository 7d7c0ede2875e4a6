package quorumport

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"zooid/internal/wire"
)

// linkRace is set by linkrace_test.go: under the race detector pools forget at
// random.
var linkRace bool

// counter is a Handler that only counts: it says so when all that was wanted
// has come.
type counter struct {
	packets, wanted atomic.Int64
	full            chan struct{}
}

func newCounter() *counter { return &counter{full: make(chan struct{}, 1)} }

// expect wants n packets more, which are yet to be sent.
func (c *counter) expect(n int) { c.wanted.Add(int64(n)) }

func (c *counter) Packets(_ *Link, batch []wire.QuorumPacket, mem *Buffer) {
	if c.packets.Add(int64(len(batch))) == c.wanted.Load() {
		c.full <- struct{}{}
	}
	Recycle(mem)
}

func (c *counter) Snapshot(*Link, io.Reader) error { return nil }
func (c *counter) Down(*Link, error)               {}

// countedPair is a link that sends to another, which counts.
func countedPair(t testing.TB) (*Link, *counter) {
	a, b := socketPair(t)
	c := newCounter()
	sender := NewLink(1, a, LinkOptions{NoDelay: true}, newCounter(), false)
	receiver := NewLink(2, b, LinkOptions{NoDelay: true}, c, true)
	for _, l := range []*Link{sender, receiver} {
		l.SetReadTimeout(linkPatience)
		l.Start()
		endWith(t, l)
	}
	return sender, c
}

// TestLinkNoGarbage guards both directions of the broadcast: no allocation,
// in neither link, for any number of proposals or acknowledgements.
func TestLinkNoGarbage(t *testing.T) {
	if linkRace {
		t.Log("pools forget under the race detector")
		return
	}
	for name, packet := range map[string]wire.QuorumPacket{
		"PROPOSAL": {Type: wire.PacketProposal, Zxid: 1, Data: make([]byte, 200)},
		"ACK":      {Type: wire.PacketAck, Zxid: 1},
		"large":    {Type: wire.PacketProposal, Zxid: 1, Data: make([]byte, 100<<10)},
	} {
		for _, n := range []int{1, 64} {
			sender, c := countedPair(t)
			one := packet.Append(nil)
			round := func() {
				c.expect(n)
				for range n {
					sender.Send(one)
				}
				<-c.full
			}
			for range 200 {
				round()
			}
			// Less than one in ten rounds: the collector empties pools.
			if got := testing.AllocsPerRun(20, func() {
				for range 10 {
					round()
				}
			}); got > 1 {
				t.Errorf("%v allocations for 10 times %d %s", got, n, name)
			}
		}
	}
}

// BenchmarkLink sends packets over loopback; a Send has as many as a turn of
// the loop would bring.
func BenchmarkLink(b *testing.B) {
	for _, size := range []int{0, 200, 1000, 100 << 10} {
		for _, each := range []int{1, 16, 256} {
			if size*each > 4<<20 {
				continue
			}
			b.Run(fmt.Sprintf("data=%d/send=%d", size, each), func(b *testing.B) {
				packet := wire.QuorumPacket{Type: wire.PacketProposal, Zxid: 1, Data: make([]byte, size)}
				var turn []byte
				for range each {
					turn = packet.Append(turn)
				}
				sender, c := countedPair(b)
				rounds := (b.N + each - 1) / each
				c.expect(rounds * each)
				b.SetBytes(int64(len(turn) / each))
				b.ReportAllocs()
				b.ResetTimer()
				for range rounds {
					for sender.Queued() > 1<<20 {
						runtime.Gosched()
					}
					sender.Send(turn)
				}
				<-c.full
				b.ReportMetric(float64(rounds*each)/b.Elapsed().Seconds(), "packets/s")
			})
		}
	}
}

// BenchmarkLinkRoundTrip is a proposal and its acknowledgement.
func BenchmarkLinkRoundTrip(b *testing.B) {
	a, z := socketPair(b)
	answered := newCounter()
	leader := NewLink(1, a, LinkOptions{NoDelay: true}, answered, false)
	follower := NewLink(2, z, LinkOptions{NoDelay: true}, echo{}, true)
	for _, l := range []*Link{leader, follower} {
		l.SetReadTimeout(linkPatience)
		l.Start()
		endWith(b, l)
	}
	proposal := wire.QuorumPacket{Type: wire.PacketProposal, Zxid: 1, Data: make([]byte, 200)}
	text := proposal.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		answered.expect(1)
		leader.Send(text)
		<-answered.full
	}
}

// echo acknowledges each packet.
type echo struct{}

func (echo) Packets(l *Link, batch []wire.QuorumPacket, mem *Buffer) {
	for i := range batch {
		ack := wire.QuorumPacket{Type: wire.PacketAck, Zxid: batch[i].Zxid}
		var text [24]byte
		l.Send(ack.Append(text[:0]))
	}
	Recycle(mem)
}

func (echo) Snapshot(*Link, io.Reader) error { return nil }
func (echo) Down(*Link, error)               {}
