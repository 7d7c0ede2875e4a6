package quorumport

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/wire"
)

const electionPatience = 20 * time.Second

// heard is one call of Deliver or, without a notification, of Changed.
type heard struct {
	id int64
	n  *wire.Notification
	up bool
}

// voter is a port with what came out of it.
type voter struct {
	*Election
	t      testing.TB
	id     int64
	events chan heard
	lines  chan string // warnings

	order sync.Mutex
	up    map[int64]bool
}

type warnings struct {
	slog.Handler
	lines chan string
}

func (w warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	select {
	case w.lines <- b.String():
	default:
	}
	return nil
}

// newVoter returns a port that does not listen yet.
func newVoter(t testing.TB, id int64, change ...func(*ElectionOptions)) *voter {
	t.Helper()
	v := &voter{t: t, id: id, events: make(chan heard, 1000), lines: make(chan string, 1000), up: map[int64]bool{}}
	o := ElectionOptions{
		Self:      id,
		Log:       slog.New(warnings{slog.DiscardHandler, v.lines}),
		BindRetry: 1,
		KeepAlive: id%2 == 0,
		Deliver:   func(from int64, n *wire.Notification) { v.heard(heard{id: from, n: n}) },
		Changed:   func(id int64, up bool) { v.heard(heard{id: id, up: up}) },
	}
	for _, c := range change {
		c(&o)
	}
	v.Election = NewElection(o)
	t.Cleanup(v.Close)
	return v
}

// heard checks the promises about the order of the callbacks.
func (v *voter) heard(h heard) {
	v.order.Lock()
	if h.n != nil && !v.up[h.id] {
		v.t.Errorf("server %d: a message of %d, which is not up", v.id, h.id)
	}
	if h.n == nil && h.up == v.up[h.id] {
		v.t.Errorf("server %d: %d is up=%v twice", v.id, h.id, h.up)
	}
	if h.n == nil {
		v.up[h.id] = h.up
	}
	v.order.Unlock()
	v.events <- h
}

// newVoters returns ports that listen on loopback and know each other.
func newVoters(t testing.TB, ids ...int64) []*voter {
	t.Helper()
	noLeaks(t)
	var all []*voter
	for _, id := range ids {
		v := newVoter(t, id)
		v.listen("127.0.0.1:0")
		all = append(all, v)
	}
	acquaint(all...)
	return all
}

func noLeaks(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func (v *voter) listen(address string) {
	v.t.Helper()
	if err := v.Listen([]string{address}); err != nil {
		v.t.Fatal(err)
	}
}

func (v *voter) address() string { return v.Addrs()[0].String() }

func acquaint(all ...*voter) {
	addresses := map[int64][]string{}
	for _, v := range all {
		addresses[v.id] = []string{v.address()}
	}
	for _, v := range all {
		v.SetPeers([]string{v.address()}, addresses)
	}
}

func vote(round int64) *wire.Notification {
	return &wire.Notification{Leader: 3, Zxid: 7, Round: round, Version: 2, Config: []byte("version=0")}
}

// await returns the first event that fits.
func (v *voter) await(what string, fits func(heard) bool) heard {
	v.t.Helper()
	patience := time.After(electionPatience)
	for {
		select {
		case h := <-v.events:
			if fits(h) {
				return h
			}
		case <-patience:
			v.t.Fatalf("server %d waits in vain for %s", v.id, what)
		}
	}
}

func (v *voter) awaitVote(from, round int64) *wire.Notification {
	v.t.Helper()
	return v.await(fmt.Sprintf("round %d from %d", round, from), func(h heard) bool {
		return h.n != nil && h.id == from && h.n.Round == round
	}).n
}

func (v *voter) awaitChange(id int64, up bool) {
	v.t.Helper()
	v.await(fmt.Sprintf("id %d up=%v", id, up), func(h heard) bool { return h.n == nil && h.id == id && h.up == up })
}

func (v *voter) awaitLine(text string) string {
	v.t.Helper()
	patience := time.After(electionPatience)
	for {
		select {
		case line := <-v.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-patience:
			v.t.Fatalf("server %d logs no %q", v.id, text)
		}
	}
}

// dialled reports whether the channel to id is up and was dialled here.
func (v *voter) dialled(id int64) (up, dialled bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.peers[id]
	return p != nil && p.ch != nil, p != nil && p.ch != nil && p.ch.order == 0
}

func TestElectionAllOrders(t *testing.T) {
	for _, ids := range [][]int64{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		t.Run(fmt.Sprint(ids), func(t *testing.T) {
			all := newVoters(t, ids...)
			for _, v := range all {
				for _, to := range all {
					v.Send(to.id, vote(10*v.id+to.id))
				}
			}
			for _, v := range all {
				missing := map[int64]bool{}
				for _, from := range all {
					if from != v {
						missing[from.id] = true
					}
				}
				for len(missing) > 0 {
					h := v.await(fmt.Sprintf("votes of %v", missing), func(h heard) bool { return h.n != nil })
					if h.n.Round != 10*h.id+v.id || string(h.n.Config) != "version=0" || h.n.Leader != 3 {
						t.Fatalf("server %d got %+v from %d", v.id, h.n, h.id)
					}
					delete(missing, h.id)
				}
			}
			for _, v := range all {
				v.eventually("its messages to leave", v.Delivered)
			}
		})
	}
}

func TestElectionLargerIDDials(t *testing.T) {
	for _, first := range []int{0, 1} {
		all := newVoters(t, 1, 2)
		small, large := all[0], all[1]
		all[first].Send(all[1-first].id, vote(5))
		all[1-first].awaitVote(all[first].id, 5)
		if up, dialled := large.dialled(1); !up || !dialled {
			t.Errorf("the larger id: up=%v dialled=%v", up, dialled)
		}
		if _, dialled := small.dialled(2); dialled {
			t.Error("the smaller id keeps a connection that it dialled")
		}
	}
}

// Both sides dial at the same time, again and again: what was sent last always
// arrives, over one connection.
func TestElectionSimultaneousDials(t *testing.T) {
	all := newVoters(t, 1, 2)
	for round := int64(1); round <= 50; round++ {
		for _, v := range all {
			v.Reset()
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i, v := range all {
			wg.Go(func() {
				<-start
				v.Send(all[1-i].id, vote(round))
			})
		}
		close(start)
		wg.Wait()
		for i, v := range all {
			v.awaitVote(all[1-i].id, round)
		}
	}
}

// freeAddress returns a loopback address on which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestElectionNewerMessageReplacesWaiting(t *testing.T) {
	for _, ids := range [][2]int64{{1, 2}, {2, 1}} {
		noLeaks(t)
		sender, address := newVoter(t, ids[0]), freeAddress(t)
		sender.listen("127.0.0.1:0")
		sender.SetPeers([]string{sender.address()}, map[int64][]string{ids[1]: {address}})
		if sender.Delivered() {
			t.Error("delivered before anything was sent")
		}
		for round := int64(1); round <= 3; round++ {
			sender.Send(ids[1], vote(round))
		}
		sender.awaitLine("cannot reach")
		sender.awaitIdle(ids[1])
		if sender.Delivered() {
			t.Error("delivered to a server that is not there")
		}
		peer := newVoter(t, ids[1])
		peer.listen(address)
		acquaint(sender, peer)
		sender.ConnectAll()
		if h := peer.await("a vote", func(h heard) bool { return h.n != nil }); h.n.Round != 3 {
			t.Errorf("round %d came, the newest is 3", h.n.Round)
		}
	}
}

func TestElectionRepeatsLastMessage(t *testing.T) {
	for _, ids := range [][2]int64{{1, 2}, {2, 1}} {
		all := newVoters(t, ids[0], ids[1])
		sender, peer := all[0], all[1]
		sender.Send(peer.id, vote(1))
		peer.awaitVote(sender.id, 1)
		sender.Send(peer.id, vote(2))
		peer.awaitVote(sender.id, 2)
		address := peer.address()
		peer.Close()
		sender.awaitChange(peer.id, false)
		again := newVoter(t, peer.id)
		again.listen(address)
		acquaint(sender, again)
		again.ConnectAll()
		if h := again.await("a vote", func(h heard) bool { return h.n != nil }); h.n.Round != 2 {
			t.Errorf("round %d was repeated, the last is 2", h.n.Round)
		}
		sender.awaitChange(peer.id, true)
	}
}

func TestElectionResetForgets(t *testing.T) {
	all := newVoters(t, 1, 2)
	all[1].Send(1, vote(1))
	all[0].awaitVote(2, 1)
	all[1].awaitChange(1, true)
	all[1].Reset()
	if all[1].Delivered() {
		t.Error("a slot is left")
	}
	all[0].awaitChange(2, false)
	all[1].awaitChange(1, false)
	all[1].ConnectAll()
	all[0].awaitChange(2, true)
	all[1].Send(1, vote(2))
	if h := all[0].await("a vote", func(h heard) bool { return h.n != nil }); h.n.Round != 2 {
		t.Errorf("round %d came after the reset", h.n.Round)
	}
	all[1].awaitChange(1, true)
	all[0].Drop(2)
	all[1].awaitChange(1, false)
}

// A server that is taken off the peers keeps its connection until it is
// dropped, and is a stranger from then on.
func TestElectionSetPeersLeavesConnections(t *testing.T) {
	all := newVoters(t, 1, 2)
	all[1].Send(1, vote(1))
	all[0].awaitVote(2, 1)
	all[1].SetPeers([]string{all[1].address()}, nil)
	all[1].Send(1, vote(2))
	all[0].awaitVote(2, 2)
	all[1].awaitChange(1, true)
	all[1].Drop(1)
	all[0].awaitChange(2, false)
	all[1].awaitChange(1, false)
	all[1].Send(1, vote(3))
	all[1].ConnectAll()
	// Nobody is left to be dialled. The other one still knows this one.
	all[0].Send(2, vote(4))
	all[1].awaitVote(1, 4)
}

// blackhole returns an address of loopback that answers no connect: its queue
// of connections is full.
func blackhole(t *testing.T) string {
	t.Helper()
	address, fill := fullListener(t)
	for {
		d := net.Dialer{Timeout: 300 * time.Millisecond}
		nc, err := d.Dial("tcp", address)
		if err != nil {
			return address
		}
		fill(nc)
	}
}

func TestElectionDeadPeersDoNotMatter(t *testing.T) {
	noLeaks(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // connects, but nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	a, b := newVoter(t, 5), newVoter(t, 6)
	a.listen("127.0.0.1:0")
	b.listen("127.0.0.1:0")
	peers := map[int64][]string{
		1: {blackhole(t)}, 2: {mute.Addr().String()}, 3: {freeAddress(t)}, 4: {"nowhere.invalid:1"},
		6: {b.address()}, 7: {blackhole(t)}, 8: {mute.Addr().String()},
	}
	a.resolve = func(ctx context.Context, host string) ([]string, error) {
		if host == "nowhere.invalid" {
			<-ctx.Done() // a name server that is as dead
			return nil, ctx.Err()
		}
		return []string{host}, nil
	}
	a.SetPeers([]string{a.address()}, peers)
	b.SetPeers([]string{b.address()}, map[int64][]string{5: {a.address()}})
	for round := int64(1); round <= 20; round++ {
		for id := range peers {
			a.Send(id, vote(round))
		}
		b.awaitVote(5, round)
		b.Send(5, vote(round))
		a.awaitVote(6, round)
	}
	a.mu.Lock()
	dials := 0
	for _, p := range a.peers {
		if p.dial != nil {
			dials++
		}
	}
	a.mu.Unlock()
	if dials < 3 {
		t.Errorf("%d dials under way, the blackholes and the dead name make 3", dials)
	}
	begin := time.Now()
	a.Close()
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("Close took %v with dials under way", d)
	}
}

func TestElectionResolvesAtEachDial(t *testing.T) {
	noLeaks(t)
	a, b := newVoter(t, 2), newVoter(t, 1)
	a.listen("127.0.0.1:0")
	b.listen("127.0.0.1:0")
	var mu sync.Mutex
	known := false
	asked := make(chan struct{}, 100)
	a.resolve = func(_ context.Context, host string) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked <- struct{}{}
		if !known {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return []string{"127.0.0.1"}, nil
	}
	_, port, _ := net.SplitHostPort(b.address())
	a.SetPeers([]string{a.address()}, map[int64][]string{1: {"zoo1.example:" + port}})
	for range 3 {
		a.Send(1, vote(1))
		<-asked
		a.awaitIdle(1)
	}
	if line := a.awaitLine("cannot reach"); !strings.Contains(line, "zoo1.example") {
		t.Errorf("the line does not name the host: %s", line)
	}
	if n := len(a.lines); n != 0 {
		t.Errorf("%d more lines, the failures are one cause", n)
	}
	mu.Lock()
	known = true
	mu.Unlock()
	a.ConnectAll()
	b.awaitVote(2, 1)
}

// awaitIdle waits until no dial of a peer is under way.
func (v *voter) awaitIdle(id int64) {
	v.t.Helper()
	v.eventually("no dial", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.peers[id].dial == nil
	})
}

func (v *voter) eventually(what string, done func() bool) {
	v.t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	patience := time.After(electionPatience)
	for !done() {
		select {
		case <-look.C:
		case <-patience:
			v.t.Fatalf("server %d waits in vain for %s", v.id, what)
		}
	}
}

func TestElectionListenRetries(t *testing.T) {
	noLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	v := newVoter(t, 1, func(o *ElectionOptions) { o.BindRetry = 3 })
	v.pause = time.Millisecond
	if err := v.Listen([]string{address, address}); err == nil || strings.Count(err.Error(), address) < 2 {
		t.Fatalf("bound a port that is taken: %v", err)
	}
	v = newVoter(t, 1, func(o *ElectionOptions) { o.BindRetry = 0 })
	v.pause = time.Millisecond
	bound := make(chan error)
	go func() { bound <- v.Listen([]string{address}) }()
	v.awaitLine("not bound yet")
	taken.Close()
	if err := <-bound; err != nil {
		t.Fatal(err)
	}
	// One address that works is enough, and Close ends the attempts for the other.
	other := newVoter(t, 2, func(o *ElectionOptions) { o.BindRetry = 0 })
	if err := other.Listen([]string{address, "127.0.0.1:0"}); err != nil || len(other.Addrs()) != 1 {
		t.Fatalf("%v, addresses %v", err, other.Addrs())
	}
	// And Close ends a Listen.
	third := newVoter(t, 3, func(o *ElectionOptions) { o.BindRetry = 0 })
	go func() { bound <- third.Listen([]string{address}) }()
	third.awaitLine("not bound yet")
	third.Close()
	if err := <-bound; err == nil {
		t.Error("Listen succeeded after Close")
	}
	if third.Listen([]string{"127.0.0.1:0"}) == nil {
		t.Error("bound after Close")
	}
}

func TestElectionSeveralAddresses(t *testing.T) {
	noLeaks(t)
	multiple := func(o *ElectionOptions) { o.Multiple = true }
	a, b := newVoter(t, 2, multiple), newVoter(t, 1, multiple)
	if err := a.Listen([]string{"127.0.0.1:0", "127.0.0.2:0"}); err != nil {
		t.Fatal(err)
	}
	b.listen("127.0.0.1:0")
	// Of the addresses of b only the last works, and of a's the second.
	a.SetPeers([]string{freeAddress(t), a.Addrs()[1].String()},
		map[int64][]string{1: {blackhole(t), freeAddress(t), b.address()}})
	b.SetPeers([]string{blackhole(t), b.address()}, map[int64][]string{2: {freeAddress(t), a.Addrs()[1].String()}})
	b.Send(2, vote(1))
	a.awaitVote(1, 1)
	a.Send(1, vote(2))
	b.awaitVote(2, 2)
}

// What a server sends is what Apache's reads: one write with version, id and
// addresses, and then frames.
func TestElectionBytes(t *testing.T) {
	noLeaks(t)
	for _, c := range []struct {
		multiple bool
		own      []string
		want     []byte
	}{
		{false, nil, longs(2)},
		{false, []string{"h:1", "i:2"}, append(longs(-65536, 2), "\x00\x00\x00\x03h:1"...)},
		{true, []string{"h:1"}, append(longs(-65535, 2), "\x00\x00\x00\x03h:1"...)},
		{true, []string{"h:1", "[::1]:2"}, append(longs(-65535, 2), "\x00\x00\x00\x0bh:1|[::1]:2"...)},
		{true, slices.Repeat([]string{"hundred.example:1"}, 200), nil},
	} {
		v := newVoter(t, 2, func(o *ElectionOptions) { o.Multiple = c.multiple })
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		v.SetPeers(c.own, map[int64][]string{1: {ln.Addr().String()}})
		v.Send(1, vote(9))
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		hello := c.want
		if hello == nil {
			h := wire.Hello{SID: 2, Addresses: c.own[:113], Multiple: true}
			hello = h.Append(nil)
		}
		body := vote(9).Append(nil)
		want := slices.Concat(hello, binary.BigEndian.AppendUint32(nil, uint32(len(body))), body)
		got := make([]byte, len(want))
		nc.SetReadDeadline(time.Now().Add(electionPatience))
		if _, err := io.ReadFull(nc, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v %v: sent\n%q, want\n%q (%v)", c.multiple, c.own, got, want, err)
		}
		nc.Close()
		ln.Close()
		v.Close()
	}
}

func longs(values ...int64) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}
