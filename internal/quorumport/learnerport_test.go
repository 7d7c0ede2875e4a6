package quorumport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zooid/internal/wire"
)

// openPort starts a learner port on a free port of loopback.
func openPort(t testing.TB, change ...func(*LearnerPort)) (*LearnerPort, *recorder, string) {
	t.Helper()
	h := newRecorder()
	var last atomic.Uint32
	p := &LearnerPort{Handler: h, NextLinkID: func() uint32 { return last.Add(1) }}
	for _, f := range change {
		f(p)
	}
	if err := p.Listen([]string{"127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	go p.Serve()
	t.Cleanup(p.Close)
	return p, h, p.Addrs()[0].String()
}

func introduction(sid int64) []byte {
	info := wire.LearnerInfo{SID: sid, ProtocolVersion: wire.LearnerProtocol}
	return appendPackets(nil, wire.QuorumPacket{Type: wire.PacketFollowerInfo, Data: info.Append(nil)})
}

func dialRaw(t testing.TB, address string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func TestLearnerPort(t *testing.T) {
	checkLeaks(t)
	accepted := make(chan *Link, 10)
	p, h, address := openPort(t, func(p *LearnerPort) {
		p.Accepted = func(l *Link) { accepted <- l }
	})
	var links []*Link
	var learners []*recorder
	for i := range 3 {
		nc, err := DialLeader(t.Context(), []string{address}, DialOptions{NoDelay: true, KeepAlive: true})
		if err != nil {
			t.Fatal(err)
		}
		learner := newRecorder()
		l := NewLink(0, nc, LinkOptions{}, learner, true)
		l.Start()
		endWith(t, l)
		l.Send(introduction(int64(i)))
		learners = append(learners, learner)
		at := <-accepted
		if int(at.ID()) != i+1 || at.RemoteAddr().String() != nc.LocalAddr().String() {
			t.Fatalf("link %d from %v, dialled from %v", at.ID(), at.RemoteAddr(), nc.LocalAddr())
		}
		if e := h.next(t); e.link != at || len(e.packets) != 1 || e.packets[0].Type != wire.PacketFollowerInfo {
			t.Fatalf("%+v", e)
		}
		links = append(links, at)
	}
	links[0].Send(appendPackets(nil, samplePackets()...))
	samePackets(t, learners[0].packets(t, len(samplePackets())), samplePackets())
	reason := errors.New("not wanted")
	links[1].Close(reason)
	if e := h.next(t); e.link != links[1] || e.err != reason {
		t.Fatalf("%+v", e)
	}
	if err := learners[1].down(t); err != io.EOF {
		t.Fatal(err)
	}
	<-links[1].Done()
	if n := len(p.Links()); n != 2 {
		t.Fatalf("%d links", n)
	}
	p.Close()
	for range 2 {
		if e := h.next(t); !e.down || e.err != errPortClosed {
			t.Fatalf("%+v", e)
		}
	}
	for _, i := range []int{0, 2} {
		learners[i].down(t)
	}
	if _, err := DialLeader(t.Context(), []string{address}, DialOptions{Attempts: 1}); err == nil {
		t.Fatal("the port is still open")
	}
}

func TestLearnerPortStrangers(t *testing.T) {
	checkLeaks(t)
	_, h, address := openPort(t)
	large := wire.QuorumPacket{Type: wire.PacketFollowerInfo, Data: make([]byte, maxIntroduction+1)}
	for _, text := range []string{
		"GET ",
		"\x16\x03\x01\x02\x00", // TLS
		string(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck})),
		string(large.Append(nil)[:16]),
		"\x00\x00",
	} {
		nc := dialRaw(t, address)
		io.WriteString(nc, text)
		if len(text) < 4 {
			nc.Close()
		}
		e := h.next(t)
		if !e.down || e.err == nil {
			t.Fatalf("%q: %+v", text, e)
		}
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("%q: still connected", text)
		}
	}
	// A known learner may send packets of any size.
	nc := dialRaw(t, address)
	nc.Write(append(introduction(1), large.Append(nil)...))
	h.packets(t, 2)
}

func TestLearnerPortPending(t *testing.T) {
	checkLeaks(t)
	accepted := make(chan *Link, 10)
	p, h, address := openPort(t, func(p *LearnerPort) {
		p.MaxPending = 3
		p.Accepted = func(l *Link) { accepted <- l }
	})
	var known []net.Conn
	for range 5 { // they do not count once they are known
		nc := dialRaw(t, address)
		nc.Write(introduction(1))
		h.packets(t, 1)
		<-accepted
		known = append(known, nc)
	}
	var silent []*Link
	for i := range 3 {
		dialRaw(t, address)
		silent = append(silent, lastPending(t, p, i+1))
	}
	nc := dialRaw(t, address)
	if e := h.next(t); e.link != silent[0] || !errors.Is(e.err, ErrStranger) {
		t.Fatalf("%+v", e)
	}
	newest := lastPending(t, p, 3)
	nc.Write(introduction(9))
	if e := h.next(t); e.link != newest || e.down || <-accepted != newest {
		t.Fatalf("%+v", e)
	}
	for _, nc := range known {
		nc.Write(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck}))
	}
	h.packets(t, len(known))
}

// lastPending waits until n connections are without a first packet and returns
// the newest.
func lastPending(t *testing.T, p *LearnerPort, n int) *Link {
	t.Helper()
	var have []waiting
	comesTrue(t, "connections without a first packet", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		have = slices.Clone(p.pending)
		return len(have) == n
	})
	return have[n-1].(*Link)
}

// TestLearnerPortTellsOfStrangers: one line names the address and what was
// wrong, many strangers do not fill the log, and who only looks whether the port
// is open makes none.
func TestLearnerPortTellsOfStrangers(t *testing.T) {
	checkLeaks(t)
	lines := make(chan string, 1000)
	p, h, address := openPort(t, func(p *LearnerPort) { p.Log = slog.New(warnings{slog.DiscardHandler, lines}) })
	dialRaw(t, address).Close()
	if e := h.next(t); !e.down || e.err != io.EOF {
		t.Fatalf("%+v", e)
	}
	for i := range 20 {
		nc := dialRaw(t, address)
		io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
		if e := h.next(t); !e.down || !errors.Is(e.err, ErrStranger) {
			t.Fatalf("%+v", e)
		}
		if i >= 5 {
			continue
		}
		line := <-lines
		for _, want := range []string{"connection to the quorum port refused", nc.LocalAddr().String(), "the first packet is unknown 1195725856"} {
			if !strings.Contains(line, want) {
				t.Errorf("%q, want %q in it", line, want)
			}
		}
	}
	p.Close() // which waits for their ends
	if n := len(lines); n > 0 {
		t.Errorf("%d more lines", n)
	}
}

func TestLearnerPortFirstPacketWithin(t *testing.T) {
	checkLeaks(t)
	_, h, address := openPort(t, func(p *LearnerPort) {
		p.FirstPacketWithin = 50 * time.Millisecond
		p.Accepted = func(l *Link) { l.SetReadTimeout(time.Hour) }
	})
	// Never a whole packet, but always something.
	nc := dialRaw(t, address)
	info := introduction(1)
	for _, b := range info[:len(info)-1] {
		if _, err := nc.Write([]byte{b}); err != nil {
			break
		}
	}
	if e := h.next(t); !e.down || !errors.Is(e.err, ErrStranger) {
		t.Fatalf("%+v", e)
	}
}

func TestLearnerPortListenErrors(t *testing.T) {
	checkLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	h := newRecorder()
	p := &LearnerPort{Handler: h}
	for _, c := range []struct {
		addresses []string
		want      string
	}{
		{nil, "no quorum address"},
		{[]string{address}, address + " is in use by another process: stop it"},
		{[]string{"192.0.2.1:0"}, "does not belong to this machine"},
		{[]string{"127.0.0.1:99999"}, "cannot listen on quorum port 127.0.0.1:99999"},
		{[]string{address, "192.0.2.1:0"}, "192.0.2.1:0 does not"},
	} {
		if err := p.Listen(c.addresses); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.addresses, err)
		}
	}
	// One that can be bound is enough.
	var log bytes.Buffer
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := p.Listen([]string{address, "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), address) || len(p.Addrs()) != 1 {
		t.Errorf("%s, %v", &log, p.Addrs())
	}
	p.Close()
	p.Serve()
	if err := p.Listen([]string{"127.0.0.1:0"}); err != errPortClosed {
		t.Error(err)
	}
	p.Close()
}

// TestLearnerPortCloseWhileAccepting closes ports under a storm of learners.
func TestLearnerPortCloseWhileAccepting(t *testing.T) {
	checkLeaks(t)
	for range 30 {
		p, _, address := openPort(t, func(p *LearnerPort) { p.MaxPending = 2 })
		var wg sync.WaitGroup
		come := make(chan struct{}, 1000)
		for range 4 {
			wg.Go(func() {
				for {
					nc, err := net.Dial("tcp", address)
					if err != nil {
						return
					}
					nc.Write(introduction(1))
					nc.Close()
					come <- struct{}{}
				}
			})
		}
		<-come
		go func() {
			for range come {
			}
		}()
		go p.Close()
		p.Close()
		if n := len(p.Links()); n != 0 {
			t.Fatalf("%d links after Close", n)
		}
		wg.Wait()
		close(come)
	}
}

// closedAddress is one that refuses connections; open makes it answer.
func closedAddress(t testing.TB) (address string, open func() net.Listener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	ln.Close()
	return address, func() net.Listener {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return nil
		}
		t.Cleanup(func() { ln.Close() })
		return ln
	}
}

// mazeDial has an address that never answers and one that no name server
// knows.
func mazeDial(ctx context.Context, address string) (net.Conn, error) {
	switch address {
	case "blackhole:1":
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	case "unknown:1":
		return nil, &net.DNSError{Err: "no such host", Name: "unknown", IsNotFound: true}
	}
	return dialTCP(ctx, address)
}

func TestDialLeaderFirstThatAnswers(t *testing.T) {
	checkLeaks(t)
	closed, _ := closedAddress(t)
	_, open := closedAddress(t)
	ln := open()
	for _, addresses := range [][]string{
		{closed, ln.Addr().String()},
		{"blackhole:1", "unknown:1", ln.Addr().String(), ln.Addr().String()},
	} {
		nc, err := DialLeader(t.Context(), addresses, DialOptions{
			Delay: time.Hour, Limit: 2 * time.Hour, connect: mazeDial,
		})
		if err != nil {
			t.Fatal(err)
		}
		if nc.RemoteAddr().String() != ln.Addr().String() {
			t.Fatal(nc.RemoteAddr())
		}
		nc.Close()
	}
}

func TestDialLeaderErrors(t *testing.T) {
	checkLeaks(t)
	one, _ := closedAddress(t)
	two, _ := closedAddress(t)
	if _, err := DialLeader(t.Context(), nil, DialOptions{}); err == nil {
		t.Fatal("no address, no error")
	}
	_, err := DialLeader(t.Context(), []string{one, two}, DialOptions{Attempts: 3, Delay: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), one) || !strings.Contains(err.Error(), two) ||
		strings.Count(err.Error(), "3 tries") != 2 {
		t.Fatal(err)
	}
	// There is no time for a second try.
	_, err = DialLeader(t.Context(), []string{one}, DialOptions{Delay: time.Hour, Limit: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "1 tries") {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := DialLeader(ctx, []string{one}, DialOptions{Delay: time.Hour})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestDialLeaderOpensLate opens the port after the first tries.
func TestDialLeaderOpensLate(t *testing.T) {
	checkLeaks(t)
	for _, o := range []DialOptions{
		{Attempts: 1000, Delay: time.Millisecond},
		{Attempts: 1, Delay: time.Minute, Quick: true},
	} {
		address, open := closedAddress(t)
		var tries atomic.Int32
		o.connect = func(ctx context.Context, address string) (net.Conn, error) {
			nc, err := dialTCP(ctx, address)
			if err != nil && tries.Add(1) == 3 {
				open()
			}
			return nc, err
		}
		nc, err := DialLeader(t.Context(), []string{address}, o)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		if n := tries.Load(); n != 3 {
			t.Fatalf("%d tries failed", n)
		}
	}
}

// TestDialLeaderQuickKeepsTrying: quick tries use up no attempts before the
// slow ones would have had theirs.
func TestDialLeaderQuickKeepsTrying(t *testing.T) {
	checkLeaks(t)
	start, tries := time.Now(), 0
	_, err := DialLeader(t.Context(), []string{"refused:1"}, DialOptions{
		Attempts: 2, Delay: 100 * time.Millisecond, Quick: true,
		connect: func(context.Context, string) (net.Conn, error) {
			tries++
			return nil, syscall.ECONNREFUSED
		},
	})
	if took := time.Since(start); !errors.Is(err, syscall.ECONNREFUSED) || tries < 3 || took < 200*time.Millisecond {
		t.Fatalf("%v after %v and %d tries", err, took, tries)
	}
}

// TestDialLeaderPerTry: a try that takes too long is given up for the next
// one, which may find the name at another address.
func TestDialLeaderPerTry(t *testing.T) {
	checkLeaks(t)
	_, open := closedAddress(t)
	ln, tries := open(), 0
	nc, err := DialLeader(t.Context(), []string{"leader:1"}, DialOptions{
		PerTry: time.Millisecond, Delay: time.Millisecond,
		connect: func(ctx context.Context, address string) (net.Conn, error) {
			if tries++; tries < 3 {
				return mazeDial(ctx, "blackhole:1")
			}
			return dialTCP(t.Context(), ln.Addr().String())
		},
	})
	if err != nil || tries != 3 {
		t.Fatal(err, tries)
	}
	nc.Close()
	_, err = DialLeader(t.Context(), []string{"blackhole:1"}, DialOptions{
		Limit: time.Millisecond, Delay: time.Microsecond, connect: mazeDial,
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// slogTo is a log whose warnings are lines.
func slogTo(lines chan string) *slog.Logger { return slog.New(warnings{slog.DiscardHandler, lines}) }
