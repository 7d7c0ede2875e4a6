package quorumport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"zooid/internal/wire"
)

func TestLinkCloseAfterFlush(t *testing.T) {
	checkLeaks(t)
	reason := errors.New("no longer leading")
	l, h, peer := startLink(t, LinkOptions{}, false)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<13)
	l.Send(want[:5000])
	l.Stream(func(w io.Writer) error {
		_, err := w.Write(want[5000:50000])
		return err
	})
	l.Send(want[50000:])
	peer.Write(appendPackets(nil, samplePackets()...)) // unread, or read and dropped
	l.CloseAfterFlush(reason)
	l.Send([]byte("too late"))
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
	}
	peer.Close()
	if err := h.down(t); err != reason {
		t.Fatal(err)
	}
	// A peer that reads nothing is left after a second.
	l, h, _ = startLink(t, LinkOptions{}, false)
	l.Send(make([]byte, 32<<20))
	l.CloseAfterFlush(reason)
	l.CloseAfterFlush(nil)
	if err := h.down(t); err != reason {
		t.Fatal(err)
	}
	// Close does not wait for it.
	l, h, _ = startLink(t, LinkOptions{}, false)
	l.Send(make([]byte, 32<<20))
	l.CloseAfterFlush(reason)
	l.Close(nil)
	if err := h.down(t); err != reason {
		t.Fatal(err)
	}
}

func TestLinkCloseBeforeStart(t *testing.T) {
	checkLeaks(t)
	for range 20 {
		a, _ := socketPair(t)
		h := newRecorder()
		l := NewLink(1, a, LinkOptions{}, h, false)
		reason := errors.New("early")
		l.Close(reason)
		l.Start()
		if err := h.down(t); err != reason {
			t.Fatal(err)
		}
		<-l.Done()
	}
}

// TestLinkCloseDuringEverything closes links at any moment of a busy life,
// from several goroutines and out of the handler.
func TestLinkCloseDuringEverything(t *testing.T) {
	checkLeaks(t)
	text := appendPackets(nil, samplePackets()...)
	snap := append(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketSnap}), 3, 1, 2, 3)
	for i := range 200 {
		h := newRecorder()
		a, b := socketPair(t)
		l := NewLink(uint32(i), a, LinkOptions{MaxQueue: 1 << 20}, h, true)
		l.SetReadTimeout(time.Minute)
		l.Start()
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, err := b.Write(text); err == nil; _, err = b.Write(append(text, snap...)) {
			}
		})
		if i%2 == 0 {
			wg.Go(func() { io.Copy(io.Discard, b) })
		}
		wg.Go(func() {
			for !l.stopped.Load() {
				l.Send(text)
				l.Stream(func(w io.Writer) error { _, err := w.Write(text); return err })
			}
		})
		for range 1 + i%40 {
			if e := h.next(t); e.down {
				if !errors.Is(e.err, ErrLinkQueue) {
					t.Fatal(e.err)
				}
				break
			}
		}
		reason := errors.New("enough")
		wg.Go(func() { l.Close(reason) })
		wg.Go(func() { l.CloseAfterFlush(reason) })
		wg.Go(func() { l.SetReadTimeout(time.Second) })
		<-l.Done()
		b.Close()
		wg.Wait()
	}
}

func TestLinkCloseOutOfHandler(t *testing.T) {
	checkLeaks(t)
	reason := errors.New("packet refused")
	h := newRecorder()
	h.snapshot = func(l *Link, _ io.Reader) ([]byte, error) {
		l.Close(reason)
		return nil, nil
	}
	l, peer := pipeLink(t, h, true)
	text := append(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketSnap}), appendPackets(nil, samplePackets()...)...)
	if _, err := peer.Write(text); err != nil {
		t.Fatal(err)
	}
	h.packets(t, 1)
	h.next(t)
	if e := h.next(t); !e.down || e.err != reason {
		t.Fatalf("%+v", e)
	}
	<-l.Done()
}

// stuckConn is TLS with a peer that takes no farewell.
type stuckConn struct {
	net.Conn
	freed chan struct{}
}

func (c *stuckConn) NetConn() net.Conn { return c.Conn }

func (c *stuckConn) Close() error {
	<-c.freed
	return nil
}

func TestLinkCloseWithoutFarewell(t *testing.T) {
	checkLeaks(t)
	a, _ := socketPair(t)
	h := newRecorder()
	nc := &stuckConn{Conn: a, freed: make(chan struct{})}
	l := NewLink(1, nc, LinkOptions{}, h, false)
	l.Start()
	l.Send(make([]byte, 32<<20))
	l.Close(nil)
	if err := h.down(t); err != ErrLinkClosed {
		t.Fatal(err)
	}
	<-l.Done()
}

// TestLinkReaderAtTheEnd: each way to read a snapshot says that the stream
// ended, or that the link is over.
func TestLinkReaderAtTheEnd(t *testing.T) {
	checkLeaks(t)
	reason := errors.New("no longer following")
	for name, read := range map[string]func(r *LinkReader) error{
		"read": func(r *LinkReader) error {
			_, err := io.ReadFull(r, make([]byte, 10*readMost)) // more than any buffer
			return err
		},
		"peek": func(r *LinkReader) error {
			b, err := r.Peek(4)
			if len(b) > 3 {
				t.Errorf("%d bytes of 3", len(b))
			}
			return err
		},
		"discard": func(r *LinkReader) error {
			n, err := r.Discard(4)
			if n > 3 {
				t.Errorf("%d bytes of 3", n)
			}
			return err
		},
	} {
		for _, flush := range []bool{false, true} {
			h := newRecorder()
			h.snapshot = func(l *Link, r io.Reader) ([]byte, error) {
				if flush {
					l.CloseAfterFlush(reason)
				}
				return nil, read(r.(*LinkReader))
			}
			a, peer := net.Pipe()
			l := NewLink(1, a, LinkOptions{}, h, true)
			l.Start()
			endWith(t, l)
			snap := wire.QuorumPacket{Type: wire.PacketSnap}
			if _, err := peer.Write(append(snap.Append(nil), 1, 2, 3)); err != nil {
				t.Fatal(err)
			}
			h.packets(t, 1)
			if !flush {
				peer.Close()
			}
			want, end := io.ErrUnexpectedEOF, io.ErrUnexpectedEOF
			if flush {
				want, end = ErrLinkClosed, reason
			}
			if e := h.next(t); !errors.Is(e.err, want) {
				t.Errorf("%s: %v, want %v", name, e.err, want)
			}
			if err := h.down(t); !errors.Is(err, end) {
				t.Errorf("%s: down with %v", name, err)
			}
			peer.Close()
		}
	}
}
