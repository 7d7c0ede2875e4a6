// Package quorumport is the side of a server that other servers of the
// ensemble see: the election port, on which every server tells every voter
// whom it votes for, and the quorum port, on which learners follow their
// leader.
//
// It is the room between sockets and the shell (package node), which alone
// calls it: connections, their first messages and timeouts are made here, and
// whole messages come out. It must never decide about a vote or a packet, let
// one peer that is slow, dead or hostile hold up another, or let a stranger
// take more than a bounded number of connections and bytes.
package quorumport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zooid/internal/wire"
)

// Limits of the election port.
const (
	maxNotification = 512 * 1024 // bytes of a message (QuorumCnxManager.PACKETMAXSIZE)

	// maxGreeting is how many accepted connections may be without a first
	// message; one more ends the one that has waited longest, so that idle
	// connections do not keep a peer out.
	maxGreeting = 64
	// maxStrangers is how many ids that are not among the peers may have a
	// connection: joiners, and observers of a configuration that is not here yet.
	maxStrangers = 64
)

// Waits of the election port where nobody configured any.
const (
	defaultConnectTimeout   = 5 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	bindPause               = time.Second
	// awaitReturn is how long the smaller id leaves the larger one to dial
	// back before it knocks again.
	awaitReturn = time.Second
)

// ElectionOptions says how an election port behaves; the names of the options
// of zoo.cfg stand in the comments.
type ElectionOptions struct {
	Self int64 // own server id
	Log  *slog.Logger

	Multiple       bool          // multiAddress.enabled: first messages name all own addresses
	ConnectTimeout time.Duration // cnxTimeout, for one connect with its name look-up; 0 = 5 s
	// HandshakeTimeout is how long a first message may take, and how long a peer
	// may leave unacknowledged what was written to it: quorumCnxnTimeoutMs, else
	// syncLimit*tickTime; 0 = 10 s.
	HandshakeTimeout time.Duration
	KeepAlive        bool // tcpKeepAlive
	BindRetry        int  // electionPortBindRetry: attempts, 1 s apart; 0 = for ever
	// Security is what connections have beside TCP; nil = nothing.
	Security *Security

	// Deliver takes a notification that a connection of server id from brought.
	// It is called on the connection's goroutine, in order for one id, and n
	// with its Config is its to keep. What it does not return from it does not
	// read on; Close waits for it.
	Deliver func(from int64, n *wire.Notification)
	// Changed, which may be nil, says that there is a connection to id, or none
	// any more. The calls for one id alternate and are in order with those of
	// Deliver; a connection that takes another's place at once is no change.
	Changed func(id int64, up bool)
}

// Election is the election port of one server: at most one connection to each
// other server, and one message to each that waits to be sent
// (QuorumCnxManager of Apache). All methods may be called from any goroutine,
// and none but Listen and Close waits for anything.
type Election struct {
	o       ElectionOptions
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	resolve func(ctx context.Context, host string) ([]string, error)
	pause   time.Duration // between attempts to bind

	refused, strange Lines

	moving sync.Mutex // one Move at a time; taken before mu

	mu        sync.Mutex
	closed    bool
	listeners []*listener
	moves     int    // how often Move was called
	hello     []byte // first message of connections that are dialled
	peers     map[int64]*peer
	greeting  []net.Conn // accepted and without a first message, oldest first
	accepted  uint64     // connections so far
	anonymous int64      // ids given to servers without one: -1, -2, ...
}

// peer is another server: a voter of the configuration, or a stranger for as
// long as it has a connection. Election.mu guards it but for the last group.
type peer struct {
	id    int64
	known bool     // named by SetPeers
	addrs []string // host:port as configured
	hint  []string // host:port that its last first message named, until dialled

	ch      *channel
	dial    *dial
	again   bool // dial once more when this dial is over
	readers int  // channels, current or not, whose reader still runs

	open bool   // it has a slot: something was sent to it, or a channel came up
	slot []byte // the message that waits, with its length; nil = none
	last []byte // the message that left last

	calls    sync.Mutex // one callback at a time for one id
	reported bool       // what Changed said last; guarded by calls
	failures Lines
	changes  Lines
}

// NewElection returns a port that neither listens nor knows a peer.
func NewElection(o ElectionOptions) *Election {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	e := &Election{o: o, resolve: net.DefaultResolver.LookupHost, pause: bindPause, peers: map[int64]*peer{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.setHello(nil)
	return e
}

// Listen binds the addresses (host:port, the host may be empty or a wildcard)
// and accepts from then on. It returns once one is bound; the others are tried
// further in the background. The error, when none could be bound in BindRetry
// attempts, names each; after it a server cannot take part and must end (exit
// code 14 of Apache).
func (e *Election) Listen(addresses []string) error {
	var failed []string
	var errs []error
	for _, a := range addresses {
		if err := e.bind(a); err != nil {
			failed, errs = append(failed, a), append(errs, err)
		}
	}
	results := make(chan error, len(failed))
	for i, a := range failed {
		if !e.spawn(func() { results <- e.rebind(a, errs[i]) }) {
			return net.ErrClosed
		}
	}
	if len(failed) < len(addresses) {
		return nil
	}
	var last []error
	for range failed {
		err := <-results
		if err == nil {
			return nil
		}
		last = append(last, err)
	}
	if len(addresses) == 0 {
		return errNoAddress
	}
	return errors.Join(last...)
}

// Move listens on other addresses, as Listen does: those that are listened on
// already stay, the others of before are closed once the new ones are bound.
// Connections stay. failed, which may be nil, is called if none of the new ones
// can be bound. Move returns at once; a later call takes the place of an earlier
// one.
func (e *Election) Move(addresses []string, failed func(error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.moves++
	move := e.moves
	e.spawnLocked(func() {
		e.moving.Lock()
		defer e.moving.Unlock()
		if e.overtaken(move) {
			return
		}
		// A wildcard and an address of the same port exclude each other.
		e.unlisten(func(l *listener) bool {
			return !slices.Contains(addresses, l.address) && slices.ContainsFunc(addresses, l.samePort)
		})
		if err := e.Listen(e.unbound(addresses)); err != nil && !errors.Is(err, errNoAddress) && failed != nil {
			failed(err)
			return
		}
		e.unlisten(func(l *listener) bool { return !slices.Contains(addresses, l.address) })
	})
}

func (e *Election) overtaken(move int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed || e.moves != move
}

// unbound are the addresses that are not listened on.
func (e *Election) unbound(addresses []string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(addresses), func(a string) bool {
		return slices.ContainsFunc(e.listeners, func(l *listener) bool { return l.address == a })
	})
}

// unlisten closes the listeners that are over.
func (e *Election) unlisten(over func(*listener) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listeners = slices.DeleteFunc(e.listeners, func(l *listener) bool {
		if !over(l) {
			return false
		}
		l.over.Store(true)
		l.Close()
		e.o.Log.Info("election port closed", "address", l.Addr())
		return true
	})
}

// listener is a socket with the address that it was asked for.
type listener struct {
	net.Listener
	address string
	over    atomic.Bool
}

func (l *listener) samePort(address string) bool {
	_, mine, _ := net.SplitHostPort(l.address)
	_, theirs, _ := net.SplitHostPort(address)
	return mine == theirs
}

func (e *Election) bind(address string) error {
	cfg := net.ListenConfig{KeepAlive: -1}
	ln, err := cfg.Listen(e.ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on election port %s: %w", address, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		ln.Close()
		return net.ErrClosed
	}
	l := &listener{Listener: ln, address: address}
	e.listeners = append(e.listeners, l)
	e.wg.Add(1)
	go e.serve(l)
	return nil
}

var errNoAddress = errors.New("no address to listen on for elections")

// rebind goes on with an address that could not be bound.
func (e *Election) rebind(address string, err error) error {
	for attempt := 2; e.o.BindRetry == 0 || attempt <= e.o.BindRetry; attempt++ {
		e.o.Log.Warn("election port not bound yet", "error", err, "retry_in", e.pause)
		select {
		case <-time.After(e.pause):
		case <-e.ctx.Done():
			return net.ErrClosed
		}
		if err = e.bind(address); err == nil {
			return nil
		}
	}
	e.o.Log.Error("election port given up", "error", err, "attempts", e.o.BindRetry)
	return err
}

// spawn runs f on a goroutine that Close waits for; false once it is closed.
func (e *Election) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spawnLocked(f)
}

func (e *Election) spawnLocked(f func()) bool {
	if e.closed {
		return false
	}
	e.wg.Go(f)
	return true
}

// Addrs returns the addresses that are listened on.
func (e *Election) Addrs() []net.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []net.Addr
	for _, ln := range e.listeners {
		all = append(all, ln.Addr())
	}
	return all
}

// SetPeers says who is dialled where, in place of what it said before. own are
// the own election addresses for first messages, peers the host:port lists by
// id; the own id in peers does not count. Connections to ids that are no longer
// there stay; Drop ends them.
func (e *Election) SetPeers(own []string, peers map[int64][]string) {
	e.setHello(own)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	for id, p := range e.peers {
		if _, stays := peers[id]; !stays && p.known {
			p.known, p.addrs = false, nil
			e.settle(p)
		}
	}
	for id, addrs := range peers {
		if id == e.o.Self {
			continue
		}
		p := e.peers[id]
		if p == nil {
			p = &peer{id: id}
			e.peers[id] = p
		}
		p.known = true
		if slices.Equal(p.addrs, addrs) {
			continue
		}
		p.addrs = slices.Clone(addrs)
		if p.dial != nil {
			// It may be on its way to where the peer no longer is.
			p.abandonDial()
			e.startDial(p)
		}
	}
}

// setHello makes the first message. A list that is too long for it is cut.
func (e *Election) setHello(own []string) {
	h := wire.Hello{SID: e.o.Self, Multiple: e.o.Multiple}
	size := 0
	for _, a := range own {
		if size += len(a) + 1; size > maxHelloText+1 || len(h.Addresses) == 1 && !h.Multiple {
			break
		}
		h.Addresses = append(h.Addresses, a)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hello = h.Append(nil)
}

// Send puts a message into the one slot of a server, in place of one that has
// not left yet, and dials if there is no connection. n stays the caller's. A
// message to the own id, or to one that is no peer and has no connection, is
// dropped.
func (e *Election) Send(to int64, n *wire.Notification) {
	if to == e.o.Self {
		return
	}
	message := n.Append(make([]byte, 4, 64+len(n.Config)))
	size := len(message) - 4
	if size > maxNotification {
		e.o.Log.Error("notification too large to be sent", "bytes", size, "limit", maxNotification)
		return
	}
	binary.BigEndian.PutUint32(message, uint32(size))
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peers[to]
	if e.closed || p == nil {
		return
	}
	p.open, p.slot = true, message
	if p.ch != nil {
		p.ch.nudge()
		return
	}
	e.want(p)
}

// ConnectAll dials every peer to which there is no connection.
func (e *Election) ConnectAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.peers {
		if p.known && p.ch == nil {
			e.want(p)
		}
	}
}

// Delivered reports whether everything that was queued for at least one server
// has left (QuorumCnxManager.haveDelivered). It is false as long as nothing was
// sent.
func (e *Election) Delivered() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.peers {
		if p.open && p.slot == nil {
			return true
		}
	}
	return false
}

// Drop ends the connection to a server and forgets what waited for it. Another
// one is made when somebody asks for it.
func (e *Election) Drop(id int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.peers[id]; p != nil {
		e.clear(p)
	}
}

// Reset does for all servers what Drop does for one, after a configuration was
// adopted that starts the election anew. A call of Deliver that is under way
// may still end after it.
func (e *Election) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.peers {
		e.clear(p)
	}
}

func (e *Election) clear(p *peer) {
	p.open, p.slot, p.last, p.hint = false, nil, nil, nil
	p.abandonDial()
	if p.ch != nil {
		p.ch.close(errDropped)
		p.ch = nil
	}
	e.settle(p)
}

// settle forgets a stranger that has nothing any more. What runs for it ends
// in here, so that no two peers of one id call back at once.
func (e *Election) settle(p *peer) {
	if !p.known && p.ch == nil && p.dial == nil && p.readers == 0 && e.peers[p.id] == p {
		delete(e.peers, p.id)
	}
}

// admit returns the peer of an id, a new stranger if there is none; nil when
// there are too many.
func (e *Election) admit(id int64) *peer {
	if p := e.peers[id]; p != nil {
		return p
	}
	strangers := 0
	for _, p := range e.peers {
		if !p.known {
			strangers++
		}
	}
	if strangers >= maxStrangers {
		return nil
	}
	p := &peer{id: id}
	e.peers[id] = p
	return p
}

// Close ends everything and returns when all goroutines have: Deliver and
// Changed are not called after it.
func (e *Election) Close() {
	e.mu.Lock()
	e.closed = true
	e.cancel()
	for _, ln := range e.listeners {
		ln.Close()
	}
	for _, nc := range e.greeting {
		nc.Close()
	}
	for _, p := range e.peers {
		if p.ch != nil {
			p.ch.close(net.ErrClosed)
		}
	}
	e.mu.Unlock()
	e.wg.Wait()
}
