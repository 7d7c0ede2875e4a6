package quorumport

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"zooid/internal/wire"
)

// sealedLink starts a link over TLS; the other end is returned as TLS and raw,
// with socket buffers that are small.
func sealedLink(t testing.TB, o LinkOptions) (*Link, *recorder, *tls.Conn, net.Conn) {
	t.Helper()
	ca := newAuthority(t)
	s := &Security{TLS: ca.tls(ca.member("server"))}
	a, b := socketPair(t)
	_ = a.(*net.TCPConn).SetWriteBuffer(32 << 10)
	_ = b.(*net.TCPConn).SetReadBuffer(256 << 10)
	far := make(chan net.Conn, 1)
	go func() {
		nc, err := s.dial(t.Context(), b, "server")
		if err != nil {
			t.Error(err)
		}
		far <- nc
	}()
	nc, _, err := s.accept(t.Context(), a, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	h := newRecorder()
	l := NewLink(7, nc, o, h, false)
	l.Start()
	endWith(t, l)
	return l, h, (<-far).(*tls.Conn), b
}

// TestSealedInOrder: whatever the pace at which the peer reads, it reads
// everything in order, whether it was sealed by who sent it, written by the
// writer, or part of a stream.
func TestSealedInOrder(t *testing.T) {
	checkLeaks(t)
	l, _, far, _ := sealedLink(t, LinkOptions{})
	const many = 3000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var sent [][]byte
	for n := range many {
		size := 4 + random.IntN(200)
		if random.IntN(50) == 0 {
			size = 4 + random.IntN(3*fewBytes)
		}
		text := bytes.Repeat([]byte{byte(n)}, size)
		binary.BigEndian.PutUint32(text, uint32(size))
		sent = append(sent, text)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n, text := range sent {
			if n%100 == 99 {
				l.Stream(func(w io.Writer) error {
					_, err := w.Write(text)
					return err
				})
			} else {
				l.Send(text)
			}
			if n%17 == 0 {
				runtime.Gosched() // to the writer, now and then
			}
		}
	}()
	far.SetReadDeadline(time.Now().Add(linkPatience))
	for n, text := range sent {
		got := make([]byte, len(text))
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("number %d: %v", n, err)
		}
		if n%500 == 0 {
			comesTrue(t, "the socket is full, or everything is sent", func() bool {
				select {
				case <-done:
					return true
				default:
					return l.Queued() > pieceMost
				}
			})
		}
	}
	<-done
}

// TestSealedNobodyWaits: who sends does not wait for a peer that does not read,
// and the link is cut for it.
func TestSealedNobodyWaits(t *testing.T) {
	checkLeaks(t)
	l, h, _, _ := sealedLink(t, LinkOptions{TakesWithin: 200 * time.Millisecond})
	packet := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketProposal, Data: make([]byte, 10<<10)})
	longest := time.Duration(0)
	for range 2000 {
		began := time.Now()
		l.Send(packet)
		longest = max(longest, time.Since(began))
	}
	if err := h.down(t); !errors.Is(err, ErrLinkQueue) {
		t.Fatal(err)
	}
	t.Logf("longest Send: %v", longest)
	if longest > 150*time.Millisecond {
		t.Errorf("a Send took %v", longest)
	}
}

// TestSealedAtOnce: a few bytes leave without the writer.
func TestSealedAtOnce(t *testing.T) {
	checkLeaks(t)
	l, _, far, _ := sealedLink(t, LinkOptions{})
	for range 100 {
		l.mu.Lock()
		l.busy = false
		n := l.putNow([]byte("hello"), 1)
		waits := len(l.queue) - l.head
		l.mu.Unlock()
		if n != 5 || waits != 0 {
			t.Fatalf("%d bytes left, %d parts wait", n, waits)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
			t.Fatal(err)
		}
	}
}

// TestPen: what is held goes out first, as much of it as the socket takes.
func TestPen(t *testing.T) {
	a, b := socketPair(t)
	p := &pen{Conn: a}
	p.wipe()
	for _, text := range []string{"one ", "two "} {
		if n, err := p.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	b.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(n, err)
	}
	p.left(2)
	if err := p.dip(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("three")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("e two three"))
	b.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "e two three" {
		t.Fatalf("%q, %v", got, err)
	}
	(*pen)(nil).wipe()
	if err := (*pen)(nil).dip(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkSealed is a packet and its acknowledgement over TLS, sealed by who
// sends it or by the writer.
func BenchmarkSealed(b *testing.B) {
	for _, by := range []string{"sender", "writer"} {
		b.Run(by, func(b *testing.B) {
			ca := newAuthority(b)
			s := &Security{TLS: ca.tls(ca.member("server"))}
			near, far := socketPair(b)
			ready := make(chan net.Conn, 1)
			go func() {
				nc, _ := s.dial(b.Context(), far, "server")
				ready <- nc
			}()
			nc, _, err := s.accept(b.Context(), near, time.Time{})
			if err != nil {
				b.Fatal(err)
			}
			l := NewLink(7, nc, LinkOptions{NoDelay: true}, echo{}, false)
			if by == "writer" {
				l.direct = nil
			}
			l.Start()
			endWith(b, l)
			peer := <-ready
			packet := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck, Data: make([]byte, 100)})
			got := make([]byte, len(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck})))
			for b.Loop() {
				if _, err := peer.Write(packet); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(peer, got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
