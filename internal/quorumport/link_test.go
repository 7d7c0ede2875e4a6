package quorumport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/wire"
)

// linkPatience is how long a test waits for an event before it gives up.
const linkPatience = 20 * time.Second

// linkEvent is one call of the Handler.
type linkEvent struct {
	link     *Link
	packets  []wire.QuorumPacket // copied
	snapshot []byte
	down     bool
	err      error
}

// recorder is a Handler that notes what it hears. Snapshots are as long as
// their first byte says.
type recorder struct {
	snapshot func(l *Link, r io.Reader) ([]byte, error) // nil = by the first byte

	mu     sync.Mutex
	events []linkEvent
	more   chan struct{}
}

func newRecorder() *recorder { return &recorder{more: make(chan struct{}, 1)} }

func (h *recorder) note(e linkEvent) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// poll returns the next event if there is one.
func (h *recorder) poll() (linkEvent, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		return linkEvent{}, false
	}
	e := h.events[0]
	h.events = h.events[1:]
	return e, true
}

func (h *recorder) Packets(l *Link, batch []wire.QuorumPacket, mem *Buffer) {
	defer Recycle(mem)
	h.note(linkEvent{link: l, packets: copyPackets(batch)})
}

func copyPackets(batch []wire.QuorumPacket) []wire.QuorumPacket {
	all := slices.Clone(batch)
	for i := range all {
		all[i].Data = bytes.Clone(all[i].Data)
	}
	return all
}

func (h *recorder) Snapshot(l *Link, r io.Reader) error {
	read := h.snapshot
	if read == nil {
		read = readShortSnapshot
	}
	b, err := read(l, r)
	h.note(linkEvent{link: l, snapshot: b, err: err})
	return err
}

func readShortSnapshot(_ *Link, r io.Reader) ([]byte, error) {
	b := make([]byte, 1, 256)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	b = b[:1+int(b[0])]
	_, err := io.ReadFull(r, b[1:])
	return b, err
}

func (h *recorder) Down(l *Link, err error) {
	h.note(linkEvent{link: l, down: true, err: err})
}

func (h *recorder) next(t testing.TB) linkEvent {
	t.Helper()
	for {
		if e, ok := h.poll(); ok {
			return e
		}
		select {
		case <-h.more:
		case <-time.After(linkPatience):
			t.Fatal("nothing happened")
		}
	}
}

// packets waits for n packets.
func (h *recorder) packets(t testing.TB, n int) []wire.QuorumPacket {
	t.Helper()
	var all []wire.QuorumPacket
	for len(all) < n {
		e := h.next(t)
		if e.packets == nil {
			t.Fatalf("%d packets, then %+v; want %d", len(all), e, n)
		}
		all = append(all, e.packets...)
	}
	if len(all) > n {
		t.Fatalf("%d packets, want %d", len(all), n)
	}
	return all
}

// down waits for the end and skips what comes before.
func (h *recorder) down(t testing.TB) error {
	t.Helper()
	for {
		if e := h.next(t); e.down {
			if late, ok := h.poll(); ok {
				t.Fatalf("after Down: %+v", late)
			}
			return e.err
		}
	}
}

// socketPair is two ends of one TCP connection.
func socketPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// startLink starts a link on one end of a connection; the other end is
// returned raw.
func startLink(t testing.TB, o LinkOptions, dialled bool) (*Link, *recorder, net.Conn) {
	t.Helper()
	h := newRecorder()
	a, b := socketPair(t)
	l := NewLink(7, a, o, h, dialled)
	l.Start()
	endWith(t, l)
	return l, h, b
}

func endWith(t testing.TB, l *Link) {
	t.Cleanup(func() {
		l.Close(nil)
		<-l.Done()
	})
}

func checkLeaks(t testing.TB) {
	now := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, now) })
}

func appendPackets(b []byte, packets ...wire.QuorumPacket) []byte {
	for i := range packets {
		b = packets[i].Append(b)
	}
	return b
}

func samePackets(t testing.TB, got, want []wire.QuorumPacket) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := appendPackets(nil, got[i]), appendPackets(nil, want[i])
		if !bytes.Equal(g, w) {
			t.Fatalf("packet %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// samplePackets has one of each form.
func samplePackets() []wire.QuorumPacket {
	return []wire.QuorumPacket{
		{Type: wire.PacketAck, Zxid: 0x100000001},
		{Type: wire.PacketProposal, Zxid: 0x100000002, Data: bytes.Repeat([]byte{0x5a}, 300)},
		{Type: wire.PacketRequest, Zxid: -1, Data: []byte("0123456789abcdef"),
			AuthInfo: []wire.ID{{Scheme: "digest", ID: "u:p"}, {Scheme: "ip", ID: "127.0.0.1"}}},
		{Type: wire.PacketPing, Zxid: 5, Data: []byte{}},
		{Type: wire.PacketUpToDate, Zxid: -1},
	}
}

// pipeLink is a link on one end of a net.Pipe, where each write of the test
// is one read of the link, or more.
func pipeLink(t testing.TB, h Handler, dialled bool) (*Link, net.Conn) {
	a, b := net.Pipe()
	l := NewLink(1, a, LinkOptions{MaxPacket: 1 << 20}, h, dialled)
	l.Start()
	endWith(t, l)
	t.Cleanup(func() { b.Close() })
	return l, b
}

func TestLinkAllSplits(t *testing.T) {
	checkLeaks(t)
	want := samplePackets()
	text := appendPackets(nil, want...)
	for cut := range len(text) {
		h := newRecorder()
		l, peer := pipeLink(t, h, false)
		for _, piece := range [][]byte{text[:cut], text[cut:]} {
			if _, err := peer.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		samePackets(t, h.packets(t, len(want)), want)
		if got := l.BytesReceived.Load(); got != int64(len(text)) {
			t.Fatalf("%d bytes received, want %d", got, len(text))
		}
		peer.Close()
		if err := h.down(t); err != io.EOF {
			t.Fatal(err)
		}
	}
}

func TestLinkOneByteAtATime(t *testing.T) {
	checkLeaks(t)
	want := samplePackets()
	h := newRecorder()
	_, peer := pipeLink(t, h, false)
	for _, b := range appendPackets(nil, want...) {
		if _, err := peer.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	samePackets(t, h.packets(t, len(want)), want)
}

// TestLinkSizes sends packets around the sizes of buffers from link to link.
func TestLinkSizes(t *testing.T) {
	checkLeaks(t)
	var want []wire.QuorumPacket
	var sizes []int
	for _, edge := range []int{smallestBuffer, readMost, pieceMost, 1 << 20} {
		for d := -24; d <= 24; d += 4 {
			sizes = append(sizes, edge+d)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	for i, n := range sizes {
		data := make([]byte, n)
		for k := range data {
			data[k] = byte(rng.Uint32())
		}
		want = append(want, wire.QuorumPacket{Type: wire.PacketProposal, Zxid: int64(i), Data: data})
	}
	a, b := socketPair(t)
	from, to := newRecorder(), newRecorder()
	sender := NewLink(1, a, LinkOptions{}, from, false)
	receiver := NewLink(2, b, LinkOptions{}, to, true)
	for _, l := range []*Link{sender, receiver} {
		l.Start()
		endWith(t, l)
	}
	for i := range want {
		sender.Send(want[i].Append(nil))
	}
	samePackets(t, to.packets(t, len(want)), want)
	sender.Close(nil)
	<-sender.Done() // what has arrived may not be counted yet
	if s, r := sender.BytesSent.Load(), receiver.BytesReceived.Load(); s != r || s == 0 {
		t.Fatalf("%d bytes sent, %d received", s, r)
	}
	if sender.ID() != 1 || receiver.RemoteAddr().String() != a.LocalAddr().String() {
		t.Fatal(sender.ID(), receiver.RemoteAddr())
	}
}

func TestLinkSnapshotWithReadAhead(t *testing.T) {
	checkLeaks(t)
	snap := wire.QuorumPacket{Type: wire.PacketSnap, Zxid: 0x200000007}
	before := wire.QuorumPacket{Type: wire.PacketLeaderInfo, Zxid: 0x300000000, Data: []byte{0, 1, 0, 0}}
	behind := samplePackets()
	for _, n := range []int{0, 1, 200} {
		inline := append([]byte{byte(n)}, bytes.Repeat([]byte{0xff}, n)...)
		text := appendPackets(nil, before, snap)
		text = append(text, inline...)
		text = appendPackets(text, behind...)
		for cut := 0; cut <= len(text); cut += 3 {
			h := newRecorder()
			_, peer := pipeLink(t, h, true)
			for _, piece := range [][]byte{text[:cut], text[cut:]} {
				if _, err := peer.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
			samePackets(t, h.packets(t, 2), []wire.QuorumPacket{before, snap})
			if e := h.next(t); !bytes.Equal(e.snapshot, inline) || e.err != nil {
				t.Fatalf("cut at %d: snapshot %+v", cut, e)
			}
			samePackets(t, h.packets(t, len(behind)), behind)
		}
	}
}

// A SNAP that a learner sends is nothing but a packet.
func TestLinkSnapshotOnlyFromLeader(t *testing.T) {
	_, h, peer := startLink(t, LinkOptions{}, false)
	want := []wire.QuorumPacket{{Type: wire.PacketSnap}, {Type: wire.PacketAck}}
	peer.Write(appendPackets(nil, want...))
	samePackets(t, h.packets(t, 2), want)
}

// TestLinkReaderMethods reads a snapshot by each way there is, with sizes on
// both sides of the buffer's.
func TestLinkReaderMethods(t *testing.T) {
	checkLeaks(t)
	inline := make([]byte, 3<<20)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range inline {
		inline[i] = byte(rng.Uint32())
	}
	h := newRecorder()
	h.snapshot = func(_ *Link, r io.Reader) ([]byte, error) {
		in := r.(*LinkReader)
		var got []byte
		for i := 0; len(got) < len(inline); i++ {
			n := min(1+rng.IntN(1<<(1+rng.IntN(18))), len(inline)-len(got))
			switch i % 3 {
			case 0:
				b, err := in.Peek(n)
				if err != nil {
					return got, err
				}
				got = append(got, b...)
				if k, err := in.Discard(n); k != n || err != nil {
					return got, fmt.Errorf("discarded %d: %w", k, err)
				}
			case 1:
				b := make([]byte, n)
				k, err := in.Read(b)
				if err != nil {
					return got, err
				}
				got = append(got, b[:k]...)
			case 2:
				if k, err := in.Discard(n); k != n || err != nil {
					return got, fmt.Errorf("discarded %d: %w", k, err)
				}
				got = append(got, inline[len(got):len(got)+n]...)
			}
		}
		return got, nil
	}
	a, b := socketPair(t)
	l := NewLink(1, a, LinkOptions{}, h, true)
	l.Start()
	endWith(t, l)
	leader := NewLink(2, b, LinkOptions{}, newRecorder(), false)
	leader.Start()
	endWith(t, leader)
	snap := wire.QuorumPacket{Type: wire.PacketSnap, Zxid: 9}
	leader.Send(snap.Append(nil))
	leader.Stream(func(w io.Writer) error {
		_, err := w.Write(inline)
		return err
	})
	last := samplePackets()
	leader.Send(appendPackets(nil, last...))
	h.packets(t, 1)
	if e := h.next(t); e.err != nil || !bytes.Equal(e.snapshot, inline) {
		t.Fatalf("%d bytes of %d, %v", len(e.snapshot), len(inline), e.err)
	}
	samePackets(t, h.packets(t, len(last)), last)
}

func TestLinkSnapshotErrors(t *testing.T) {
	checkLeaks(t)
	snap := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketSnap})
	_, h, peer := startLink(t, LinkOptions{}, true)
	peer.Write(append(snap, 50, 1, 2))
	peer.Close()
	if err := h.down(t); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	bad := errors.New("not the signature")
	l, h, peer := startLink(t, LinkOptions{}, true)
	h.snapshot = func(*Link, io.Reader) ([]byte, error) { return nil, bad }
	peer.Write(append(snap, snap...))
	if err := h.down(t); !errors.Is(err, bad) {
		t.Fatal(err)
	}
	<-l.Done()
}

// TestLinkStreamsBetweenSends checks that whatever is queued leaves in order.
func TestLinkStreamsBetweenSends(t *testing.T) {
	checkLeaks(t)
	l, _, peer := startLink(t, LinkOptions{}, false)
	var want bytes.Buffer
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 400 {
		piece := bytes.Repeat([]byte{byte(i)}, 1+rng.IntN(1<<rng.IntN(18)))
		want.Write(piece)
		if i%7 == 3 {
			l.Stream(func(w io.Writer) error {
				for len(piece) > 0 {
					n, err := w.Write(piece[:min(1000, len(piece))])
					if err != nil {
						return err
					}
					piece = piece[n:]
				}
				return nil
			})
			continue
		}
		l.Send(piece)
		clear(piece) // Send has copied it
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatal("the bytes left in another order")
	}
	l.Close(nil)
	<-l.Done() // what has arrived may not be counted yet
	if l.BytesSent.Load() != int64(len(got)) {
		t.Fatalf("%d bytes sent, %d arrived", l.BytesSent.Load(), len(got))
	}
}

func TestLinkSendDuringStream(t *testing.T) {
	checkLeaks(t)
	l, h, peer := startLink(t, LinkOptions{MaxQueue: 1000}, false)
	running, goOn := make(chan struct{}), make(chan struct{})
	l.Stream(func(w io.Writer) error {
		if _, err := io.WriteString(w, "stream "); err != nil {
			return err
		}
		close(running)
		<-goOn
		_, err := io.WriteString(w, "end ")
		return err
	})
	<-running
	l.Send([]byte("behind"))
	if n := l.Queued(); n != 6 {
		t.Fatalf("%d bytes queued", n)
	}
	close(goOn)
	got := make([]byte, len("stream end behind"))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "stream end behind" {
		t.Fatalf("%q, %v", got, err)
	}
	blocked := make(chan struct{})
	l.Stream(func(io.Writer) error {
		<-blocked
		return nil
	})
	l.Send(make([]byte, 600))
	l.Send(make([]byte, 600))
	close(blocked)
	if err := h.down(t); !errors.Is(err, ErrLinkQueue) {
		t.Fatal(err)
	}
	if n := l.Queued(); n != 0 {
		t.Fatalf("%d bytes queued on a link that is down", n)
	}
	l.Send([]byte("nothing"))
	l.Stream(func(io.Writer) error { panic("called on a link that is down") })
}

func TestLinkStreamError(t *testing.T) {
	checkLeaks(t)
	l, h, _ := startLink(t, LinkOptions{}, false)
	bad := errors.New("snapshot is damaged")
	l.Stream(func(io.Writer) error { return bad })
	if err := h.down(t); !errors.Is(err, bad) {
		t.Fatal(err)
	}
}

func TestLinkSlowReader(t *testing.T) {
	checkLeaks(t)
	l, h, _ := startLink(t, LinkOptions{MaxQueue: 1 << 20}, false)
	piece := make([]byte, 100<<10)
	for {
		l.Send(piece) // never waits
		if l.Queued() > 1<<20 {
			t.Fatal("more queued than may be")
		}
		if e, ok := h.poll(); ok {
			if !e.down || !errors.Is(e.err, ErrLinkQueue) || !strings.Contains(e.err.Error(), "1048576") {
				t.Fatalf("%+v", e)
			}
			return
		}
	}
}

func TestLinkBadStreams(t *testing.T) {
	checkLeaks(t)
	big := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketProposal, Data: make([]byte, 1001)})
	ids := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketRequest, AuthInfo: []wire.ID{{Scheme: strings.Repeat("x", 1001)}}})
	good := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck})
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"garbage", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ErrLinkPacket},
		{"oversized, only its head", string(big[:16]), ErrLinkPacket},
		{"oversized identities", string(ids), ErrLinkPacket},
		{"negative length", "\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xfe", ErrLinkPacket},
		{"truncated", string(good[:len(good)-1]), io.ErrUnexpectedEOF},
		{"nothing", "", io.EOF},
	} {
		for _, before := range []int{0, 1, 3} {
			_, h, peer := startLink(t, LinkOptions{MaxPacket: 1000}, false)
			peer.Write(append(bytes.Repeat(good, before), c.text...))
			peer.Close()
			h.packets(t, before)
			e := h.next(t)
			if !e.down || !errors.Is(e.err, c.want) {
				t.Fatalf("%s: %+v", c.name, e)
			}
		}
	}
}

// TestLinkAnnouncedLength checks that a length alone takes no memory.
func TestLinkAnnouncedLength(t *testing.T) {
	checkLeaks(t)
	h := newRecorder()
	a, peer := net.Pipe()
	l := NewLink(1, a, LinkOptions{MaxPacket: 1 << 20}, h, false)
	text := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketProposal, Data: make([]byte, 1<<20)})
	go func() {
		peer.Write(text[:5000])
		peer.Close()
	}()
	l.input.mem = takeBuffer(smallestBuffer)
	err := l.receive()
	if size := len(l.input.mem.b); !errors.Is(err, io.ErrUnexpectedEOF) || size > 2*smallestBuffer {
		t.Fatalf("a buffer of %d bytes for 5000, %v", size, err)
	}
	a.Close()
}

func TestLinkReadTimeout(t *testing.T) {
	checkLeaks(t)
	l, h, peer := startLink(t, LinkOptions{}, false)
	l.SetReadTimeout(time.Hour)
	peer.Write(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck}))
	h.packets(t, 1)
	l.SetReadTimeout(0)
	l.SetReadTimeout(time.Millisecond) // while the reader waits
	if err := h.down(t); !errors.Is(err, ErrLinkSilent) {
		t.Fatal(err)
	}
}

// clockedConn notes the deadlines of its reads.
type clockedConn struct {
	net.Conn
	until chan time.Time
}

func (c *clockedConn) SetReadDeadline(t time.Time) error {
	c.until <- t
	return nil
}

// A part of a packet is a sign of life: the time starts anew with each read.
func TestLinkReadTimeoutEachRead(t *testing.T) {
	checkLeaks(t)
	h := newRecorder()
	a, peer := net.Pipe()
	nc := &clockedConn{Conn: a, until: make(chan time.Time, 100)}
	l := NewLink(1, nc, LinkOptions{}, h, false)
	l.SetReadTimeout(time.Hour)
	<-nc.until
	last := time.Now()
	l.Start()
	endWith(t, l)
	text := appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck})
	for _, b := range text {
		if until := <-nc.until; until.Before(last.Add(time.Hour)) {
			t.Fatalf("a read until %v, begun after %v", until, last)
		}
		last = time.Now()
		peer.Write([]byte{b})
	}
	h.packets(t, 1)
	<-nc.until
	l.SetReadTimeout(0)
	if until := <-nc.until; !until.IsZero() {
		t.Fatalf("no limit, but a read until %v", until)
	}
	peer.Close()
}

// TestLinkOverdue: a learner that takes a bulk part has nothing to say, but
// one that takes nothing is gone.
func TestLinkOverdue(t *testing.T) {
	a, _ := net.Pipe()
	defer a.Close()
	nc := &clockedConn{Conn: a, until: make(chan time.Time, 100)}
	l := NewLink(1, nc, LinkOptions{}, newRecorder(), false)
	const limit = time.Minute
	now := time.Now()
	l.born = now.Add(-100 * limit)
	moment := func(ago time.Duration) int64 { return int64(100*limit - ago) }
	for _, c := range []struct {
		name          string
		stream, ended int64
		silent        time.Duration
		again         time.Duration // from now; 0 = the link ends
	}{
		{"quiet for less than the limit", notStreaming, 0, limit / 2, limit / 2},
		{"quiet", notStreaming, 0, limit + 1, 0},
		{"a stream is being made", streaming, 0, 5 * limit, limit},
		{"a stream is being read", moment(limit / 4), 0, 5 * limit, 3 * limit / 4},
		{"a stream is not read", moment(limit + 1), 0, 5 * limit, 0},
		{"a stream has ended", notStreaming, moment(limit / 4), 5 * limit, 3 * limit / 4},
		{"a stream ended long ago", notStreaming, moment(2 * limit), 5 * limit, 0},
	} {
		l.input.timeout, l.input.since = limit, now.Add(-c.silent)
		l.stream.Store(c.stream)
		l.streamEnded.Store(c.ended)
		looked := false
		if err := l.overdue(&looked); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		until := <-nc.until
		if c.again == 0 {
			if err := l.overdue(&looked); !looked || !errors.Is(err, ErrLinkSilent) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if d := until.Sub(now.Add(c.again)); looked || d < 0 || d > limit/8 {
			t.Errorf("%s: the next look is at %v", c.name, until.Sub(now))
		}
	}
}

// TestLinkStreamNotRead: the read timeout ends a stream that nobody takes.
func TestLinkStreamNotRead(t *testing.T) {
	checkLeaks(t)
	l, h, _ := startLink(t, LinkOptions{}, false)
	l.Stream(func(w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, streamPiece)); err != nil {
				return err
			}
		}
	})
	l.SetReadTimeout(100 * time.Millisecond)
	if err := h.down(t); !errors.Is(err, ErrLinkSilent) {
		t.Fatal(err)
	}
}
