package quorumport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// stagger is how much later the next address of a server is tried while
	// the ones before are silent (RFC 8305 calls it the attempt delay).
	stagger = 200 * time.Millisecond
	// maxResolved is how many addresses of one name are tried.
	maxResolved = 8
	// failureEvery is how often a peer that cannot be reached has a line.
	failureEvery = 30 * time.Second
)

// dial is an attempt to reach a peer. It is the peer's until it is over or
// another connection came up.
type dial struct {
	ctx     context.Context
	cancel  context.CancelFunc
	waiting bool // the first message has left, the larger id is to dial back
}

func (p *peer) abandonDial() {
	if p.dial != nil {
		p.dial.cancel()
		p.dial, p.again = nil, false
	}
}

// want dials unless that is under way; e.mu is held.
func (e *Election) want(p *peer) {
	switch {
	case p.dial == nil:
		e.startDial(p)
	case p.dial.waiting:
		p.again = true
	}
}

// targets are addresses of one server.
type targets struct {
	addresses []string
	// name is the host that the certificate of the server has to bear, "" for
	// that of the address.
	name string
}

// configuredHost is the host of the first configured address of a peer.
func (p *peer) configuredHost() string {
	if len(p.addrs) == 0 {
		return ""
	}
	host, _, _ := net.SplitHostPort(p.addrs[0])
	return host
}

// startDial dials a peer that has neither channel nor dial, where its own first
// message said it is, else where the configuration says; e.mu is held.
func (e *Election) startDial(p *peer) {
	var groups []targets
	if len(p.hint) > 0 {
		// Where it says that it is may be written in another way than in its
		// certificate, or by somebody else.
		groups = append(groups, targets{p.hint, p.configuredHost()})
	}
	if len(p.addrs) > 0 {
		groups = append(groups, targets{p.addrs, ""})
	}
	p.hint, p.again = nil, false
	if len(groups) == 0 {
		return
	}
	d := &dial{}
	d.ctx, d.cancel = context.WithCancel(e.ctx)
	if e.spawnLocked(func() { e.reach(p, d, groups) }) {
		p.dial = d
	} else {
		d.cancel()
	}
}

// reach is the goroutine of a dial.
func (e *Election) reach(p *peer, d *dial, groups []targets) {
	defer d.cancel()
	nc, err := e.connect(d.ctx, groups)
	if err == nil {
		err = e.introduce(p, d, nc)
	}
	if err != nil && d.ctx.Err() == nil {
		if kept, ok := p.failures.Pass(1, failureEvery); ok {
			e.o.Log.Warn("cannot reach the election port of a peer", "id", p.id, "error", err, "more_before", kept)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.dial == d {
		p.dial = nil
		if p.again && p.ch == nil {
			e.startDial(p)
		}
	}
	e.settle(p)
}

// introduce writes the first message and, if the own id is the larger one,
// makes the connection the peer's channel. Otherwise the connection has said
// what it was made for, and the peer dials (QuorumCnxManager.startConnection).
func (e *Election) introduce(p *peer, d *dial, nc net.Conn) error {
	e.tune(nc)
	e.mu.Lock()
	hello, current := e.hello, p.dial == d
	e.mu.Unlock()
	if !current {
		rawSocket(nc).Close()
		return context.Canceled
	}
	nc.SetWriteDeadline(time.Now().Add(e.o.HandshakeTimeout))
	// One write: Apache's server takes a first message that comes in two
	// pieces for a broken one.
	if _, err := nc.Write(hello); err != nil {
		rawSocket(nc).Close()
		return fmt.Errorf("first message: %w", err)
	}
	stop := context.AfterFunc(d.ctx, func() { rawSocket(nc).Close() })
	err := e.o.Security.login(nc, nc, e.o.HandshakeTimeout)
	if !stop() && err == nil {
		err = context.Canceled
	}
	if err != nil {
		rawSocket(nc).Close()
		return err
	}
	e.mu.Lock()
	if p.dial != d {
		e.mu.Unlock()
		rawSocket(nc).Close()
		return context.Canceled
	}
	if p.id < e.o.Self {
		p.dial = nil
		e.install(&channel{p: p, nc: nc, in: bufio.NewReaderSize(nc, channelBuffer), how: described(nc, "")})
		e.mu.Unlock()
		return nil
	}
	d.waiting = true
	e.mu.Unlock()
	patience := time.NewTimer(awaitReturn)
	defer patience.Stop()
	err = takeLeave(d.ctx, nc)
	select {
	case <-patience.C:
	case <-d.ctx.Done():
	}
	return err
}

// takeLeave closes a connection on which everything is said. One with TLS is read
// until the other side has closed it too, or for awaitReturn: to close a socket
// with unread input, such as a ticket for another session, takes back what was
// written last. An error says that the other side refused the connection.
func takeLeave(ctx context.Context, nc net.Conn) error {
	raw := rawSocket(nc)
	defer raw.Close()
	conn, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	nc.SetDeadline(time.Now().Add(awaitReturn))
	_ = conn.CloseWrite()
	nc.SetDeadline(time.Now().Add(awaitReturn)) // CloseWrite has one of its own
	if _, err := io.Copy(io.Discard, conn); refusedByPeer(err) {
		return fmt.Errorf("the other side refuses this server's certificate, or its choice of TLS: %w", err)
	}
	return nil
}

// connect tries the groups of addresses one after the other.
func (e *Election) connect(ctx context.Context, groups []targets) (net.Conn, error) {
	var errs []error
	for _, g := range groups {
		ctx, cancel := context.WithTimeout(ctx, e.o.ConnectTimeout)
		nc, err := race(ctx, g.addresses, func(ctx context.Context, address string) (net.Conn, error) {
			return e.connectName(ctx, address, g.name)
		})
		cancel()
		if err == nil {
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// connectName resolves host:port anew, since servers move, and connects to one
// of its addresses. name is what its certificate has to bear, "" for the host.
func (e *Election) connectName(ctx context.Context, address, name string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ips, err := e.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var each []string
	for _, ip := range ips[:min(len(ips), maxResolved)] {
		each = append(each, net.JoinHostPort(ip, port))
	}
	nc, err := race(ctx, each, func(ctx context.Context, target string) (net.Conn, error) {
		d := net.Dialer{KeepAlive: -1}
		return d.DialContext(ctx, "tcp", target)
	})
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = host
	}
	return e.o.Security.dial(ctx, nc, name)
}

// race tries the targets in order, each a little after the one before or at
// once when that has failed, and returns the first connection. It returns when
// all attempts have ended.
func race(ctx context.Context, targets []string, try func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		nc  net.Conn
		err error
	}
	results := make(chan result, len(targets))
	next := time.NewTimer(0)
	defer next.Stop()
	var won net.Conn
	var errs []error
	for started, ended := 0, 0; ended < len(targets); {
		select {
		case <-next.C:
			if started == len(targets) {
				continue
			}
			target := targets[started]
			started++
			go func() {
				nc, err := try(ctx, target)
				results <- result{nc, err}
			}()
			next.Reset(stagger)
		case r := <-results:
			ended++
			switch {
			case r.err != nil:
				errs = append(errs, r.err)
				if started < len(targets) {
					next.Reset(0)
				}
			case won != nil:
				rawSocket(r.nc).Close()
			default:
				won = r.nc
				cancel()
				targets = targets[:started]
			}
		}
	}
	if won != nil {
		return won, nil
	}
	if len(errs) == 0 {
		return nil, errors.New("no address")
	}
	return nil, errors.Join(errs...)
}
