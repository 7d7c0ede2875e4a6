package quorumport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second

	maxHelloText = 2048 // bytes of addresses in a first message
	// maxHintAddresses is how many addresses of a first message are dialled.
	maxHintAddresses = 8
	// channelBuffer holds a whole first message.
	channelBuffer = 4096
)

// serve accepts on one listening socket until it is closed.
func (e *Election) serve(ln *listener) {
	defer e.wg.Done()
	e.o.Log.Info("election port open", "address", ln.Addr())
	pause := acceptPauseMin
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = acceptPauseMin
			e.accept(nc)
			continue
		}
		if e.ctx.Err() != nil || ln.over.Load() {
			return
		}
		// Out of file descriptors, most likely: go on once some are back.
		e.o.Log.Warn("cannot accept an election connection", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

func (e *Election) accept(nc net.Conn) {
	e.tune(nc)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted++
	order := e.accepted
	if !e.spawnLocked(func() { e.greet(nc, order) }) {
		nc.Close()
		return
	}
	if len(e.greeting) >= maxGreeting {
		e.greeting[0].Close()
		e.greeting = slices.Delete(e.greeting, 0, 1)
	}
	e.greeting = append(e.greeting, nc)
}

// greet reads the first message of an accepted connection and decides by the
// ids which side keeps dialling (QuorumCnxManager.handleConnection): the larger
// one. order is that in which connections were accepted.
func (e *Election) greet(nc net.Conn, order uint64) {
	g, err := e.identify(nc)
	e.mu.Lock()
	if i := slices.Index(e.greeting, nc); i >= 0 {
		e.greeting = slices.Delete(e.greeting, i, i+1)
	}
	e.mu.Unlock()
	if err == nil {
		err = e.welcome(g, order)
	}
	if err == nil {
		return
	}
	nc.Close()
	if err == io.EOF || e.ctx.Err() != nil {
		// A peer that found another way in, or somebody who looked whether
		// the port is open.
		e.o.Log.Debug("election connection without a first message", "remote", nc.RemoteAddr())
		return
	}
	if kept, ok := e.refused.Pass(5, 10*time.Second); ok {
		e.o.Log.Warn("election connection refused", "remote", nc.RemoteAddr(), "reason", err, "more_before", kept)
	}
}

// guest is an accepted connection that has said who it is.
type guest struct {
	nc    net.Conn
	in    *bufio.Reader
	hello wire.Hello
	how   []any // how it is secured, for the log
}

// identify goes through everything that an accepted connection begins with:
// TLS, the first message and SASL, as far as they are configured.
func (e *Election) identify(nc net.Conn) (*guest, error) {
	until := time.Now().Add(e.o.HandshakeTimeout)
	over, early, err := e.o.Security.accept(e.ctx, nc, until)
	if err != nil {
		return nil, err
	}
	g := &guest{nc: over, in: buffered(over, early, channelBuffer)}
	over.SetDeadline(until)
	defer over.SetDeadline(time.Time{})
	if g.hello, err = readHello(g.in); err != nil {
		return nil, err
	}
	a, err := e.o.Security.admit(over, g.in)
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("server %d: %w", g.hello.SID, errNoSASL)
	case err != nil:
		return nil, fmt.Errorf("server %d: %w", g.hello.SID, err)
	case a.failed != nil:
		if kept, ok := e.refused.Pass(5, 10*time.Second); ok {
			e.o.Log.Warn("election connection kept though its server did not authenticate itself, as quorum.auth.serverRequireSasl is not true",
				"id", g.hello.SID, "remote", nc.RemoteAddr(), "reason", a.failed, "more_before", kept)
		}
	}
	g.how = described(over, a.user)
	return g, nil
}

// readHello reads a first message; what stands behind it stays in in. io.EOF
// means that nothing came at all.
func readHello(in *bufio.Reader) (h wire.Hello, err error) {
	for need := 1; ; {
		if _, err := in.Peek(max(need, in.Buffered())); err != nil {
			if err == io.EOF && in.Buffered() > 0 {
				err = io.ErrUnexpectedEOF
			}
			if err == io.EOF {
				return h, err
			}
			return h, fmt.Errorf("no first message: %w", err)
		}
		text, _ := in.Peek(in.Buffered())
		n, err := h.Decode(text)
		if err == jute.ErrShort {
			need = n
			continue
		}
		if err == nil {
			_, err = in.Discard(n)
		}
		return h, err
	}
}

var (
	errOwnID     = errors.New("it claims the own server id: two servers have the same myid")
	errNegative  = fmt.Errorf("%w: negative server id", wire.ErrHello)
	errStrangers = fmt.Errorf("more than %d servers that are not in the configuration", maxStrangers)
)

// welcome makes a connection the channel of its peer, or closes it and dials
// the peer; an error says that it must not stay.
func (e *Election) welcome(g *guest, order uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := &g.hello
	id, anonymous := h.SID, h.SID == wire.AnonymousSID
	switch {
	case id == e.o.Self:
		return errOwnID
	case id < 0:
		return errNegative
	case anonymous:
		// Its own id is the largest there is, so it keeps the connection, and
		// nobody can dial an id that was made up here.
		e.anonymous--
		id = e.anonymous
	}
	p := e.admit(id)
	if p == nil {
		return errStrangers
	}
	if anonymous || id > e.o.Self {
		e.install(&channel{p: p, nc: g.nc, in: g.in, how: g.how, order: order})
		return nil
	}
	// The peer may know that its channel is dead before this side does.
	rawSocket(g.nc).Close()
	if p.ch != nil {
		p.ch.close(errRestarted)
		p.ch = nil
	}
	p.hint = dialable(h.Addresses)
	if p.dial != nil {
		p.again = true
	} else {
		e.startDial(p)
	}
	e.settle(p)
	return nil
}

// dialable drops the addresses that lead nowhere: a server that listens on all
// its addresses says 0.0.0.0.
func dialable(addresses []string) []string {
	var out []string
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || port == "0" || isWildcard(host) {
			continue
		}
		if out = append(out, a); len(out) == maxHintAddresses {
			break
		}
	}
	return out
}

func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsUnspecified()
}
