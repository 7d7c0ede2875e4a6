package quorumport

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// scriptConn is a connection that brings text in pieces of random sizes.
type scriptConn struct {
	net.Conn // nil: nothing else is called
	text     []byte
	rng      *rand.Rand
	most     int // bytes of a piece
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.text[:min(len(c.text), 1+c.rng.IntN(c.most))])
	c.text = c.text[n:]
	return n, nil
}

func (c *scriptConn) SetReadDeadline(time.Time) error { return nil }
func (c *scriptConn) Close() error                    { return nil }

// story is what a handler heard: packets as bytes, and snapshots.
type story struct {
	text      []byte
	snapshots int
}

func (s *story) Packets(_ *Link, batch []wire.QuorumPacket, mem *Buffer) {
	s.text = appendPackets(s.text, batch...)
	// Nobody may look at it any more.
	for i := range mem.b {
		mem.b[i] = 0xee
	}
	Recycle(mem)
}

func (s *story) Snapshot(l *Link, r io.Reader) error {
	b, err := readShortSnapshot(l, r)
	s.text = append(s.text, b...)
	s.snapshots++
	return err
}

func (s *story) Down(*Link, error) {}

// tellStory is what a link has to make of text, and how it ends.
func tellStory(text []byte, dialled bool, limit int) (s story, end error) {
	for len(text) > 0 {
		var p wire.QuorumPacket
		n, err := p.Decode(text, limit)
		if err == jute.ErrShort {
			return s, io.ErrUnexpectedEOF
		}
		if err != nil {
			return s, ErrLinkPacket
		}
		s.text = p.Append(s.text)
		text = text[n:]
		if !dialled || p.Type != wire.PacketSnap {
			continue
		}
		in := bytes.NewReader(text)
		b, err := readShortSnapshot(nil, in)
		s.text = append(s.text, b...)
		s.snapshots++
		if err != nil {
			return s, io.ErrUnexpectedEOF
		}
		text = text[len(text)-in.Len():]
	}
	return s, io.EOF
}

// FuzzLink gives a link the bytes of a stranger in random pieces: it makes of
// them what decoding them in one go does, ends like that, and takes no more
// memory than they need.
func FuzzLink(f *testing.F) {
	snap := wire.QuorumPacket{Type: wire.PacketSnap, Zxid: 3}
	whole := appendPackets(nil, samplePackets()...)
	f.Add(whole, uint64(1), false)
	f.Add(append(append(snap.Append(nil), 2, 7, 8), whole...), uint64(2), true)
	f.Add(append(snap.Append(nil), 200, 7, 8), uint64(3), true)
	f.Add(append(introduction(5), whole[:len(whole)-3]...), uint64(4), false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint64(5), true)
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, dialled bool) {
		const limit = 8 << 10
		want, end := tellStory(text, dialled, limit)
		rng := rand.New(rand.NewPCG(seed, 0))
		var got story
		nc := &scriptConn{text: text, rng: rng, most: 1 + rng.IntN(len(text)+1)}
		l := NewLink(1, nc, LinkOptions{MaxPacket: limit}, &got, dialled)
		l.input.mem = takeBuffer(l.input.size)
		err := l.receive()
		// With a count below -1 identities are none, and encoded as none.
		if !bytes.Equal(got.text, want.text) || got.snapshots != want.snapshots {
			t.Fatalf("heard %q, want %q", got.text, want.text)
		}
		if !errors.Is(err, end) {
			t.Fatalf("ended with %v, want %v", err, end)
		}
		if size := len(l.input.mem.b); size > max(4*len(text), readMost) {
			t.Fatalf("a buffer of %d bytes for %d", size, len(text))
		}
	})
}

// FuzzLearnerPort gives the bytes of a stranger to a link of the port: before
// an introduction none of them reach the handler.
func FuzzLearnerPort(f *testing.F) {
	f.Add(append(introduction(5), introduction(6)...), uint64(4))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint64(5))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var got story
		nc := &scriptConn{text: text, rng: rng, most: 1 + rng.IntN(len(text)+1)}
		l := NewLink(1, nc, LinkOptions{MaxPacket: 8 << 10}, &got, false)
		known := 0
		l.input.greeting = &greeting{heard: func() { known++ }}
		l.input.mem = takeBuffer(l.input.size)
		err := l.receive()
		var first wire.QuorumPacket
		_, bad := first.Decode(text, maxIntroduction)
		learner := bad == nil && (first.Type == wire.PacketFollowerInfo || first.Type == wire.PacketObserverInfo)
		if learner != (known == 1) || learner != (len(got.text) > 0) {
			t.Fatalf("a learner: %v; introduced %d times, heard %q, %v", learner, known, got.text, err)
		}
		if err == nil {
			t.Fatal("no end")
		}
	})
}
