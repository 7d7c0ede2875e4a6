package quorumport

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// newcomer is a connection to a learner port that is not secured yet as it has
// to be, and so no link.
type newcomer struct {
	nc    net.Conn
	until time.Time // of the first packet; zero = no limit

	mu  sync.Mutex
	why error // set before the port closes nc
}

// Close ends the connection; the first reason is the one that is told.
func (n *newcomer) Close(why error) {
	n.mu.Lock()
	if n.why == nil {
		n.why = why
	}
	n.mu.Unlock()
	n.nc.Close()
}

// ended is why the port closed the connection, nil if it did not.
func (n *newcomer) ended() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.why
}

// admit makes a newcomer a link, on a goroutine of its own.
func (p *LearnerPort) admit(n *newcomer) {
	err := p.secure(n)
	if err == nil {
		return // the link is counted on
	}
	n.nc.Close()
	p.settled(n)
	if why := n.ended(); why != nil {
		err = why
	}
	p.tell(n.nc.RemoteAddr(), err)
	p.running.Done()
}

// secure goes through what comes before the first packet: TLS, and SASL as far
// as they are configured.
func (p *LearnerPort) secure(n *newcomer) error {
	nc, early, err := p.Security.accept(context.Background(), n.nc, n.until)
	if err != nil {
		return err
	}
	var a admitted
	if p.Security.SASL != nil {
		in := buffered(nc, early, securityBuffer)
		nc.SetDeadline(n.until)
		if a, err = p.Security.admit(nc, in); err != nil {
			return err
		}
		nc.SetDeadline(time.Time{})
		early, _ = in.Peek(in.Buffered())
	}
	remote := nc.RemoteAddr()
	if a.failed != nil {
		if kept, ok := p.strange.Pass(5, 10*time.Second); ok {
			p.Log.Warn("learner kept though it did not authenticate itself, as quorum.auth.serverRequireSasl is not true",
				"remote", remote, "reason", a.failed, "more_before", kept)
		}
	}
	if how := described(nc, a.user); len(how) > 0 {
		if kept, ok := p.safe.Pass(20, 10*time.Second); ok {
			p.Log.Info("connection to the quorum port secured", append([]any{"remote", remote, "more_before", kept}, how...)...)
		}
	}
	return p.enter(n, nc, early)
}

// enter puts a link in the place of a newcomer.
func (p *LearnerPort) enter(n *newcomer, nc net.Conn, early []byte) error {
	p.mu.Lock()
	i := slices.Index(p.pending, waiting(n))
	if p.closed || i < 0 {
		p.mu.Unlock()
		return errPortClosed
	}
	l := p.newLink(nc, early, n.until)
	p.pending[i] = l
	p.mu.Unlock()
	l.Start()
	return nil
}
