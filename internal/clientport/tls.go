package clientport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A TLS connection has a relay beside its poller (docs/adr/0008): goroutines of
// its own that make the handshake and then carry the plain bytes between
// crypto/tls and one end of a pair of sockets. The poller has the other end, and
// treats it as it does the socket of a plain client.

// tlsHandshake is the first byte of a TLS connection. A frame cannot begin with
// it, being far shorter than that would say, nor does a four-letter word.
const tlsHandshake = 0x16

// handshakeFor bounds a TLS handshake, as Netty does it for Apache's server.
const handshakeFor = 10 * time.Second

// relay is the TLS side of a connection.
type relay struct {
	conn  *Conn
	raw   *socket // the client
	chain []*x509.Certificate
}

// Secure reports whether the client speaks TLS.
func (c *Conn) Secure() bool { return c.relay.Load() != nil }

// Certificates returns the certificates that a TLS client has shown, its own
// first, which are verified; none if it did not, or before the connect request.
func (c *Conn) Certificates() []*x509.Certificate {
	if r := c.relay.Load(); r != nil {
		return r.chain
	}
	return nil
}

// Ready reports whether the connection is past its TLS handshake, if it has one.
func (c *Conn) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.relay.Load() == nil || c.shook
}

// refuseHandshake refuses a TLS client before its handshake is begun.
func (p *Port) refuseHandshake(from netip.AddrPort) bool {
	switch {
	case p.Limits.EarlyDrop && !p.Core.Serving():
		p.Metrics.CnxnClosedWithoutZKServerRunning.Inc()
		p.refusals.say(p.Log, from, errNotServing.Error())
	case p.Limits.Handshakes > 0 && p.Metrics.OutstandingTLSHandshake.Value() >= int64(p.Limits.Handshakes):
		p.Metrics.TLSHandshakeExceeded.Inc()
		p.refusals.say(p.Log, from, fmt.Sprintf("netty.server.outstandingHandshake.limit is %d", p.Limits.Handshakes))
	default:
		return false
	}
	return true
}

// countPlain counts a plain client of a server that has TLS.
func (p *Port) countPlain(from netip.Addr) {
	switch {
	case p.TLS == nil:
	case from.IsLoopback():
		p.Metrics.NonMTLSLocalConnCount.Add(1)
	default:
		p.Metrics.NonMTLSRemoteConnCount.Add(1)
	}
}

// upgrade makes a TLS connection of one whose first byte says that it is one.
func (c *Conn) upgrade() error {
	if c.port.refuseHandshake(c.addr) {
		return errClosing
	}
	c.poll.forget(c)
	first := append([]byte(nil), c.in.b[:c.have]...)
	c.consume(c.have)
	c.mu.Lock()
	fd := c.fd
	c.fd = -1
	c.mu.Unlock()
	c.readable, c.hungUp = false, false
	c.beginTLS(fd, first)
	return nil
}

// beginTLS has the handshake made with a socket of which first was read.
func (c *Conn) beginTLS(fd int, first []byte) {
	c.noTimer()
	c.phase = shaking
	p := c.port
	r := &relay{conn: c, raw: newSocket(fd, first)}
	r.raw.remote = net.TCPAddrFromAddrPort(c.addr)
	c.relay.Store(r)
	p.Metrics.OutstandingTLSHandshake.Add(1)
	p.mu.Lock()
	p.relays[r] = struct{}{}
	p.mu.Unlock()
	p.relayW.Go(r.run)
}

// shaken goes on once the handshake is made. It runs on the poller.
func (c *Conn) shaken() (again bool, err error) {
	if err := c.early(); err != nil {
		return false, err
	}
	c.mu.Lock()
	shook, failed := c.shook, c.failed
	c.mu.Unlock()
	switch {
	case failed != nil:
		return false, failed
	case !shook:
		return false, nil
	}
	c.phase = starting
	c.after(c.port.Limits.SessionlessFor)
	return false, c.poll.watch(c.fd, c.id)
}

// run is the life of a relay.
func (r *relay) run() {
	p := r.conn.port
	secure := tls.Server(r.raw, p.TLS)
	near, err := r.shake(secure)
	if err == nil {
		back := make(chan struct{})
		go func() {
			r.outward(secure, near)
			close(back)
		}()
		r.inward(secure, near)
		<-back
		_ = near.Close()
	} else {
		// The alert that says why is not to be overtaken by a reset.
		_ = r.raw.CloseWrite()
		_ = r.raw.SetReadDeadline(time.Now().Add(closeGrace))
		_, _ = io.Copy(io.Discard, io.LimitReader(r.raw, discardMax))
	}
	_ = r.raw.Close()
	p.mu.Lock()
	delete(p.relays, r)
	p.mu.Unlock()
}

// shake makes the handshake and gives the connection the far end of a pair of
// sockets, whose near end it returns.
func (r *relay) shake(secure *tls.Conn) (near *socket, err error) {
	p := r.conn.port
	_ = r.raw.SetDeadline(time.Now().Add(handshakeFor))
	err = secure.Handshake()
	p.Metrics.OutstandingTLSHandshake.Add(-1)
	far := -1
	if err != nil {
		r.failed(err)
		err = errHandshake
	} else {
		_ = r.raw.SetDeadline(time.Time{})
		r.chain = secure.ConnectionState().PeerCertificates
		near, far, err = p.pair()
	}
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.failed = err
		c.kick()
		return nil, err
	case c.ended: // by a limit, or since the port is closing
		_ = unix.Close(far)
		_ = near.Close()
		return nil, errClosing
	}
	c.fd, c.shook = far, true
	c.kick()
	return near, nil
}

// errHandshake ends a connection whose handshake failed; that has been said.
var errHandshake = errors.New("TLS handshake failed")

// failed counts and says why a handshake failed. Who looks whether there is a
// port, and hangs up, is not worth a line.
func (r *relay) failed(err error) {
	p := r.conn.port
	p.Metrics.UnsuccessfulHandshake.Inc()
	p.Metrics.AuthFailedCount.Add(1)
	if errors.Is(err, io.EOF) || r.conn.Dead() {
		return
	}
	p.refusals.say(p.Log, r.conn.addr, handshakeText(err))
}

// handshakeText says why a handshake failed.
func handshakeText(err error) string {
	var header tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &header):
		return "the client does not speak TLS, and this is the port for those who do"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("TLS handshake not through in %s", handshakeFor)
	case errors.As(err, &op) && op.Op == "remote error":
		return "TLS handshake broken off by the client, which does not like the server's certificate or its terms: " + op.Err.Error()
	}
	return "TLS handshake failed: " + err.Error()
}

// pair makes a pair of sockets, as far as descriptors are left for it.
func (p *Port) pair() (near *socket, far int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("no pair of sockets for a TLS client: %w", os.NewSyscallError("socketpair", err))
	}
	if top := p.Limits.Descriptors; top > 0 && max(fds[0], fds[1]) >= top {
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return nil, -1, errors.New("the server keeps its last file descriptors for its own files")
	}
	return newSocket(fds[0], nil), fds[1], nil
}

// ending gives the relay of a connection that has ended the time to bring the
// client what is on its way. A handshake under way has none.
func (r *relay) ending(why error) {
	r.conn.mu.Lock()
	shook := r.conn.shook
	r.conn.mu.Unlock()
	switch {
	case shook:
		_ = r.raw.SetDeadline(time.Now().Add(lingerFor))
	case why != errHandshake:
		_ = r.raw.SetDeadline(time.Now())
	}
}

// smallRead is the buffer of a relay whose client sends little.
const smallRead = 2 << 10

// inward carries what the client sends. It reads on when the connection wants no
// more, so that closing the socket does not take back what is on its way.
func (r *relay) inward(secure *tls.Conn, near *socket) {
	var small [smallRead]byte
	var large *Buffer
	unwanted := false
	for {
		b := small[:]
		if large != nil {
			b = large.b
		}
		n, err := secure.Read(b)
		if n > 0 && !unwanted {
			_, broken := near.Write(b[:n])
			unwanted = broken != nil
		}
		switch {
		case err == io.EOF:
			_ = near.CloseWrite()
		case err != nil:
			_ = near.Close()
		case n == smallRead && large == nil:
			large = buffers.Get().(*Buffer)
		case n < smallRead:
			Recycle(large)
			large = nil
		}
		if err != nil {
			Recycle(large)
			return
		}
	}
}

// outward carries what the server sends, to the end of it, and says that it is the
// end.
func (r *relay) outward(secure *tls.Conn, near *socket) {
	for {
		mem, n, err := near.next()
		if err != nil {
			break
		}
		_, err = secure.Write(mem.b[:n])
		Recycle(mem)
		if err != nil {
			_ = near.Close()
			return
		}
	}
	_ = secure.CloseWrite()
	_ = r.raw.CloseWrite()
	_ = r.raw.SetReadDeadline(time.Now().Add(closeGrace))
}
