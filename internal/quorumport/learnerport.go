package quorumport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ErrStranger says that a connection to the quorum port never became that of a
// learner; Down gets it wrapped.
var ErrStranger = errors.New("no learner")

// LearnerPort accepts learners while a server leads: one port for one term.
// The exported fields are set before Listen.
type LearnerPort struct {
	Log         *slog.Logger
	LinkOptions LinkOptions
	Handler     Handler
	// NextLinkID numbers the links.
	NextLinkID func() uint32
	// Accepted is told of a link once its first packet is that of a learner, and
	// before the Handler hears of it. Of the others the Handler hears Down only,
	// and the log what was wrong with them. It is called on the link's reader.
	Accepted func(l *Link)
	// MaxPending is how many connections may be without a first packet; one
	// more ends the one that has waited longest, so that idle connections keep
	// no learner out. 0 = 64.
	MaxPending int
	// FirstPacketWithin bounds how long one may be without; 0 = none.
	FirstPacketWithin time.Duration
	// Security is what connections have beside TCP; nil = nothing.
	Security *Security

	strange Lines          // of connections that are no learners
	safe    Lines          // of connections that are secured
	serving sync.WaitGroup // goroutines that accept
	running sync.WaitGroup // links

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	links     map[*Link]struct{}
	pending   []waiting     // without a first packet, the oldest first
	stop      chan struct{} // closed with the port; nil before Listen
}

// waiting is a connection without a first packet: a newcomer, or a link.
type waiting interface{ Close(why error) }

const defaultMaxPending = 64

// Waits after a failed accept, which most likely means that the process is out
// of file descriptors.
const (
	learnerPauseMin = 5 * time.Millisecond
	learnerPauseMax = time.Second
)

var errPortClosed = errors.New("this server no longer leads")

// Listen binds the addresses ("host:port"). As in ZooKeeper one is enough: the
// others are warned about. The error names each address with what to do.
func (p *LearnerPort) Listen(addresses []string) error {
	if p.MaxPending <= 0 {
		p.MaxPending = defaultMaxPending
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	cfg := net.ListenConfig{KeepAlive: -1}
	var bound []net.Listener
	var errs []error
	for _, address := range addresses {
		ln, err := cfg.Listen(context.Background(), "tcp", address)
		if err != nil {
			errs = append(errs, bindError(address, err))
			continue
		}
		bound = append(bound, ln)
	}
	if len(bound) == 0 {
		if len(errs) == 0 {
			return errors.New("no quorum address to listen on: look at the line of this server in zoo.cfg")
		}
		return errors.Join(errs...)
	}
	for _, err := range errs {
		p.Log.Warn("learners cannot use one of the quorum addresses", "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		for _, ln := range bound {
			ln.Close()
		}
		return errPortClosed
	}
	p.listeners, p.links, p.stop = bound, map[*Link]struct{}{}, make(chan struct{})
	return nil
}

func bindError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("quorum port %s is in use by another process: stop it, "+
			"or choose another port in the server.N line of this server, on all servers", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("quorum address %s does not belong to this machine: correct the server.N line of this server, "+
			"or set quorumListenOnAllIPs=true", address)
	}
	return fmt.Errorf("cannot listen on quorum port %s: %w", address, err)
}

// Addrs returns the addresses that are listened on.
func (p *LearnerPort) Addrs() []net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]net.Addr, len(p.listeners))
	for i, ln := range p.listeners {
		all[i] = ln.Addr()
	}
	return all
}

// Serve accepts learners until Close.
func (p *LearnerPort) Serve() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.serving.Add(1)
	defer p.serving.Done()
	listeners := p.listeners
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, ln := range listeners {
		all.Go(func() { p.serve(ln) })
	}
	all.Wait()
}

func (p *LearnerPort) serve(ln net.Listener) {
	p.Log.Info("quorum port open for learners", "address", ln.Addr())
	pause := learnerPauseMin
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = learnerPauseMin
			p.accept(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		p.Log.Warn("cannot accept a learner", "error", err, "retry_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.stop:
			timer.Stop()
		}
		pause = min(2*pause, learnerPauseMax)
	}
}

func (p *LearnerPort) accept(nc net.Conn) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		nc.Close()
		return
	}
	p.running.Add(1)
	var oldest waiting
	if len(p.pending) >= p.MaxPending {
		oldest = p.pending[0]
		p.pending = slices.Delete(p.pending, 0, 1)
	}
	var until time.Time
	if p.FirstPacketWithin > 0 {
		until = time.Now().Add(p.FirstPacketWithin)
	}
	var begin func()
	if p.Security.secured() {
		n := &newcomer{nc: nc, until: until}
		p.pending = append(p.pending, n)
		begin = func() { go p.admit(n) }
	} else {
		l := p.newLink(nc, nil, until)
		p.pending = append(p.pending, l)
		begin = l.Start
	}
	p.mu.Unlock()
	if oldest != nil {
		oldest.Close(fmt.Errorf("%w: no first packet, and %d connections wait to send theirs", ErrStranger, p.MaxPending))
	}
	begin()
}

// newLink makes a link of a connection of which early is read; p.mu is held.
func (p *LearnerPort) newLink(nc net.Conn, early []byte, until time.Time) *Link {
	l := NewLink(p.NextLinkID(), nc, p.LinkOptions, p.Handler, false)
	l.gone = func() { p.forget(l) }
	l.input.greeting = &greeting{heard: func() { p.heard(l) }}
	l.input.until = until
	l.input.early = early
	p.links[l] = struct{}{}
	return l
}

// heard notes the first packet of a link.
func (p *LearnerPort) heard(l *Link) {
	p.settled(l)
	if p.Accepted != nil {
		p.Accepted(l)
	}
}

// settled says that a link need not be waited for any more.
func (p *LearnerPort) settled(one waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.pending, one); i >= 0 {
		p.pending = slices.Delete(p.pending, i, i+1)
	}
}

// forget takes a link off that is over, on its reader's goroutine.
func (p *LearnerPort) forget(l *Link) {
	p.settled(l)
	if l.input.greeting != nil {
		p.tell(l.RemoteAddr(), l.err)
	}
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	p.running.Done()
}

// tell logs what was wrong with a connection that was no learner's.
func (p *LearnerPort) tell(remote net.Addr, why error) {
	switch {
	case why == io.EOF || errors.Is(why, errPortClosed):
		// Somebody looked whether the port is open, or came too late.
		p.Log.Debug("connection to the quorum port without a first packet", "remote", remote)
	default:
		if kept, ok := p.strange.Pass(5, 10*time.Second); ok {
			p.Log.Warn("connection to the quorum port refused", "remote", remote, "reason", why, "more_before", kept)
		}
	}
}

// Links returns the links that are not over.
func (p *LearnerPort) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

// Close stops listening, ends all links of the port and waits until all of
// them are down: the Handler must not wait for whoever calls it.
func (p *LearnerPort) Close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	if first && p.stop != nil {
		close(p.stop)
	}
	for _, ln := range p.listeners {
		ln.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
	p.mu.Lock()
	newcomers := slices.Clone(p.pending)
	p.mu.Unlock()
	for _, one := range newcomers {
		one.Close(errPortClosed)
	}
	for _, l := range p.Links() {
		l.Close(errPortClosed)
	}
	p.running.Wait()
}
