package quorumport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"zooid/internal/wire"
)

// fullListener returns a listener that nobody accepts from and whose queue
// holds one connection, and a function that keeps connections until the end.
func fullListener(t *testing.T) (address string, keep func(net.Conn)) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	return at.String(), func(nc net.Conn) { t.Cleanup(func() { nc.Close() }) }
}

// knock opens a connection to a port and writes text.
func (v *voter) knock(text []byte) net.Conn {
	v.t.Helper()
	nc, err := net.Dial("tcp", v.address())
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(electionPatience))
	nc.Write(text)
	return nc
}

func hello(sid int64, addresses ...string) []byte {
	h := wire.Hello{SID: sid, Addresses: addresses, Multiple: len(addresses) > 1}
	return h.Append(nil)
}

func frame(n *wire.Notification) []byte {
	body := n.Append(nil)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// awaitEnd waits until the other side has closed a connection.
func awaitEnd(t testing.TB, nc net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stays")
	}
}

func TestElectionGarbage(t *testing.T) {
	all := newVoters(t, 1, 2)
	all[1].Send(1, vote(1))
	all[0].awaitVote(2, 1)
	v := all[0]
	for name, text := range map[string][]byte{
		"http":             []byte("GET / HTTP/1.0\r\n\r\n\r\n"),
		"unknown version":  append(longs(-65534, 7), "\x00\x00\x00\x03h:1"...),
		"tls":              append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc}, make([]byte, 512)...),
		"no address":       append(longs(-65536, 7), 0, 0, 0, 0),
		"negative length":  append(longs(-65536, 7), 0xff, 0xff, 0xff, 0xff),
		"long address":     append(longs(-65536, 7), 0, 0, 0x08, 0x01),
		"bad address":      append(longs(-65536, 7), "\x00\x00\x00\x03abc"...),
		"negative id":      hello(-5, "127.0.0.1:1"),
		"own id":           hello(1, "127.0.0.1:1"),
		"zero frame":       append(hello(7, "127.0.0.1:1"), 0, 0, 0, 0),
		"negative frame":   append(hello(7, "127.0.0.1:1"), 0x80, 0, 0, 0),
		"too large frame":  append(hello(7, "127.0.0.1:1"), 0, 8, 0, 1),
		"zeros":            make([]byte, 5000),
		"ones":             bytes.Repeat([]byte{0xff}, 5000),
		"old id, bad size": append(longs(7), "GET / HTTP/1.0"...),
	} {
		t.Run(name, func(t *testing.T) { awaitEnd(t, v.knock(text)) })
	}
	v.awaitLine("refused")
	all[1].Send(1, vote(2))
	v.awaitVote(2, 2)
}

func TestElectionOwnIDWarns(t *testing.T) {
	all := newVoters(t, 3)
	awaitEnd(t, all[0].knock(hello(3, "127.0.0.1:1")))
	all[0].awaitLine("same myid")
}

// What is no notification is dropped and the connection goes on, with a first
// message of ZooKeeper 3.4 and everything in one segment too.
func TestElectionBadMessageIsDropped(t *testing.T) {
	all := newVoters(t, 1)
	text := slices.Concat(longs(9), []byte{0, 0, 0, 1, 'x'}, frame(vote(4)))
	all[0].knock(text)
	all[0].awaitVote(9, 4)
	all[0].awaitLine("message dropped")
}

func TestElectionLargeMessage(t *testing.T) {
	all := newVoters(t, 1, 2)
	n := vote(1)
	n.Config = bytes.Repeat([]byte{'x'}, maxNotification-44)
	all[1].Send(1, n)
	if got := all[0].awaitVote(2, 1); !bytes.Equal(got.Config, n.Config) {
		t.Error("the configuration came damaged")
	}
	n.Config = append(n.Config, 'x')
	all[1].Send(1, n)
	all[1].awaitLine("too large")
	all[1].Send(1, vote(2))
	all[0].awaitVote(2, 2)
}

// Connections that say nothing are bounded, end after the handshake timeout,
// and keep nobody out.
func TestElectionIdleConnections(t *testing.T) {
	all := newVoters(t, 1, 2)
	var idle []net.Conn
	for range maxGreeting + 10 {
		idle = append(idle, all[0].knock(longs(-65536)[:4]))
	}
	for _, nc := range idle[:10] {
		awaitEnd(t, nc)
	}
	all[0].mu.Lock()
	if n := len(all[0].greeting); n > maxGreeting {
		t.Errorf("%d connections without a first message", n)
	}
	all[0].mu.Unlock()
	all[1].Send(1, vote(1))
	all[0].awaitVote(2, 1)

	short := newVoter(t, 3, func(o *ElectionOptions) { o.HandshakeTimeout = 50 * time.Millisecond })
	short.listen("127.0.0.1:0")
	awaitEnd(t, short.knock(longs(-65536)))
	short.awaitLine("no first message")
}

func TestElectionStrangersAreBounded(t *testing.T) {
	all := newVoters(t, 1, 2)
	v := all[0]
	var conns []net.Conn
	for i := range int64(maxStrangers) {
		conns = append(conns, v.knock(hello(100+i, "127.0.0.1:1")))
		v.awaitChange(100+i, true)
	}
	awaitEnd(t, v.knock(hello(99, "127.0.0.1:1")))
	v.awaitLine("not in the configuration")
	// A stranger is answered, and a peer is none.
	v.Send(100, vote(8))
	want := frame(vote(8))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conns[0], got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the answer is %q, %v", got, err)
	}
	all[1].Send(1, vote(1))
	v.awaitVote(2, 1)
	conns[0].Close()
	v.awaitChange(100, false)
	v.eventually("room", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.peers[100] == nil
	})
	v.knock(hello(99, "127.0.0.1:1"))
	v.awaitChange(99, true)
}

func TestElectionServersWithoutID(t *testing.T) {
	all := newVoters(t, 5)
	v := all[0]
	for _, id := range []int64{-1, -2} {
		nc := v.knock(append(hello(math.MaxInt64, "127.0.0.1:1"), frame(vote(-id))...))
		v.awaitVote(id, -id)
		v.Send(id, vote(7))
		got := make([]byte, len(frame(vote(7))))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, frame(vote(7))) {
			t.Errorf("the answer is %q, %v", got, err)
		}
	}
}

// A joiner with a smaller id is dialled back where it says it is; if it says a
// wildcard, where the configuration says.
func TestElectionDialsBack(t *testing.T) {
	for _, c := range []struct{ stranger, wildcard bool }{{true, false}, {false, true}, {false, false}} {
		all := newVoters(t, 1, 5)
		joiner, v := all[0], all[1]
		peers := map[int64][]string{1: {joiner.address()}}
		own := joiner.address()
		switch {
		case c.stranger:
			peers = nil
		case c.wildcard:
			own = "0.0.0.0:1"
		default:
			peers[1] = []string{freeAddress(t)} // outdated
		}
		v.SetPeers([]string{v.address()}, peers)
		joiner.SetPeers([]string{own}, map[int64][]string{5: {v.address()}})
		joiner.Send(5, vote(1))
		v.awaitVote(1, 1)
		v.Send(1, vote(2))
		joiner.awaitVote(5, 2)
	}
}

// Two connections of one peer say who they are in the wrong order: the newer
// one stays.
func TestElectionLateFirstMessage(t *testing.T) {
	all := newVoters(t, 1)
	v := all[0]
	late := v.knock(nil)
	v.eventually("the first connection", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.greeting) == 1
	})
	current := v.knock(append(hello(4, "127.0.0.1:1"), frame(vote(1))...))
	v.awaitVote(4, 1)
	late.Write(hello(4, "127.0.0.1:1"))
	awaitEnd(t, late)
	current.Write(frame(vote(2)))
	v.awaitVote(4, 2)
	// A newer one takes its place.
	v.knock(append(hello(4, "127.0.0.1:1"), frame(vote(3))...))
	v.awaitVote(4, 3)
	awaitEnd(t, current)
}

// A peer that takes nothing off its connection holds up nobody.
func TestElectionStuckReader(t *testing.T) {
	all := newVoters(t, 1, 2)
	v := all[0]
	v.knock(hello(9, "127.0.0.1:1"))
	v.awaitChange(9, true)
	n := vote(0)
	n.Config = make([]byte, 400_000)
	for round := int64(1); round <= 30; round++ {
		v.Send(9, n)
		v.Send(2, vote(round))
		all[1].awaitVote(1, round)
	}
}

// Whatever comes on an accepted connection, the port stays and the connection
// ends with its other side.
func FuzzElectionPort(f *testing.F) {
	f.Add(slices.Concat(hello(7, "127.0.0.1:1"), frame(vote(1))))
	f.Add(slices.Concat(hello(2, "h:1", "[::1]:2"), frame(vote(1))))
	f.Add(slices.Concat(longs(9), frame(vote(1)), []byte{0, 0, 0, 1, 'x'}))
	f.Add(slices.Concat(hello(math.MaxInt64, "0.0.0.0:1"), []byte{0, 8, 0, 0}))
	f.Add(longs(-65536, 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := NewElection(ElectionOptions{
			Self: 5, Log: slog.New(slog.DiscardHandler),
			Deliver: func(int64, *wire.Notification) {},
		})
		// Nobody is to be dialled.
		e.resolve = func(context.Context, string) ([]string, error) { return nil, errors.New("no") }
		defer e.Close()
		e.SetPeers([]string{"127.0.0.1:1"}, map[int64][]string{2: {"h:1"}, 7: {"h:2"}})
		near, far := net.Pipe()
		e.accept(far)
		go io.Copy(io.Discard, near)
		for part := range slices.Chunk(text, 7) {
			if _, err := near.Write(part); err != nil {
				break // refused
			}
		}
		near.Close()
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.peers) > 3 {
			t.Errorf("%d peers from one connection", len(e.peers))
		}
	})
}
