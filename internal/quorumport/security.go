package quorumport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Security says how the connections to other servers are secured. Nil and the
// zero value say not at all.
type Security struct {
	TLS  *TLS
	SASL *SASL
}

// TLS says how connections between servers use it; the names of the options of
// zoo.cfg stand in the comments.
type TLS struct {
	// Dials says that connections that are dialled speak it (sslQuorum).
	Dials bool
	// Plain lets accepted connections do without it (portUnification).
	Plain bool
	// Server is how connections are accepted.
	Server *tls.Config
	// Client is how a server is dialled whose host is so called, on a connection
	// to remote.
	Client func(host string, remote net.Addr) *tls.Config
	// Accepted, which may be nil, refuses an accepted connection for the
	// certificate that it shows (ssl.quorum.clientHostnameVerification).
	Accepted func(remote net.Addr, state *tls.ConnectionState) error
	// DetectWithin is how long the first bytes of an accepted connection may
	// take, after which it counts as plain
	// (ssl.quorum.handshakeDetectionTimeoutMillis); 0 = 5 s.
	DetectWithin time.Duration
}

const (
	defaultDetect = 5 * time.Second
	// tlsHead is how many bytes tell that TLS is spoken: the head of a record.
	tlsHead = 5
	// securityBuffer is for what comes before a link is made of a connection.
	securityBuffer = smallestBuffer
)

var errNoCertificate = errors.New("TLS handshake failed: it has no certificate that an authority of the trust store has signed")

var errPlain = errors.New("it does not speak TLS, which sslQuorum=true asks for unless portUnification=true")

// secured says whether accepted connections need anything before their first
// message.
func (s *Security) secured() bool { return s != nil && (s.TLS != nil || s.SASL != nil) }

// accept does what TLS needs at the accepting side of a connection, which the
// first bytes ask for (UnifiedServerSocket). It returns the connection that
// messages come from and what is read of them already. io.EOF means that
// nothing came at all.
func (s *Security) accept(ctx context.Context, nc net.Conn, until time.Time) (over net.Conn, early []byte, err error) {
	if s == nil || s.TLS == nil {
		return nc, nil, nil
	}
	head, speaks, err := s.TLS.detect(nc, until)
	switch {
	case err != nil:
		return nil, nil, err
	case !speaks && !s.TLS.Plain:
		return nil, nil, errPlain
	case !speaks:
		return nc, head, nil
	}
	conn := tls.Server(&pen{Conn: &begun{Conn: nc, head: head}}, s.TLS.server())
	if err := handshake(ctx, conn, until); err != nil {
		dismiss(nc)
		if strings.Contains(err.Error(), "client didn't provide a certificate") {
			err = errNoCertificate // crypto/tls has no error of its own for it
		}
		return nil, nil, err
	}
	return conn, nil, nil
}

// dismissMost is how many bytes are taken from whoever is refused.
const dismissMost = 64 << 10

// dismiss gives a peer that was just told why it is refused the time to read
// that: what it sends meanwhile would take it back once the socket is closed.
func dismiss(nc net.Conn) {
	if half, ok := rawSocket(nc).(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		nc.SetReadDeadline(time.Now().Add(flushGrace))
		_, _ = io.CopyN(io.Discard, nc, dismissMost)
	}
}

// detect reads up to tlsHead bytes and says whether they are those of TLS. Who
// sends none in time is one of those that do not speak it.
func (t *TLS) detect(nc net.Conn, until time.Time) (head []byte, speaks bool, err error) {
	within := t.DetectWithin
	if within <= 0 {
		within = defaultDetect
	}
	end := time.Now().Add(within)
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	nc.SetReadDeadline(end)
	defer nc.SetReadDeadline(time.Time{})
	head = make([]byte, 0, tlsHead)
	for len(head) < tlsHead {
		n, err := nc.Read(head[len(head):tlsHead])
		head = head[:len(head)+n]
		if len(head) > 0 && !isTLS(head) {
			return head, false, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return head, false, nil
		}
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return head, false, err
		}
	}
	return head, true, nil
}

// isTLS says whether bytes may start a record of TLS. No first message of a
// server does so.
func isTLS(head []byte) bool {
	return head[0] >= 20 && head[0] <= 24 && (len(head) < 2 || head[1] == 3)
}

// server is the configuration of an accepted connection. Each looks for the
// newest one, which may have come with other certificates.
func (t *TLS) server() *tls.Config {
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		now := t.Server
		if now.GetConfigForClient != nil {
			newest, err := now.GetConfigForClient(hello)
			if err != nil {
				return nil, err
			}
			if newest != nil {
				now = newest
			}
		}
		now = now.Clone()
		now.GetConfigForClient = nil
		// Tickets that come after the handshake take back what was sent on a
		// connection that is closed without having read them, as those are on
		// which a smaller id has said who it is.
		now.SessionTicketsDisabled = true
		now.DynamicRecordSizingDisabled = true
		if t.Accepted != nil {
			before, remote := now.VerifyConnection, hello.Conn.RemoteAddr()
			now.VerifyConnection = func(state tls.ConnectionState) error {
				if before != nil {
					if err := before(state); err != nil {
						return err
					}
				}
				return t.Accepted(remote, &state)
			}
		}
		return now, nil
	}}
}

// dial does what TLS needs at the dialling side of a connection to a server
// whose host is so called.
func (s *Security) dial(ctx context.Context, nc net.Conn, host string) (net.Conn, error) {
	if s == nil || s.TLS == nil || !s.TLS.Dials {
		return nc, nil
	}
	config := s.TLS.Client(host, nc.RemoteAddr()).Clone()
	config.DynamicRecordSizingDisabled = true
	conn := tls.Client(&pen{Conn: nc}, config)
	until, _ := ctx.Deadline()
	if err := handshake(ctx, conn, until); err != nil {
		nc.Close()
		// A plain server closes the connection, or waits for the rest of what it
		// takes for a first message.
		for _, plain := range []error{io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, context.DeadlineExceeded} {
			if errors.Is(err, plain) {
				err = fmt.Errorf("%w: the other side may not speak TLS, for which it needs sslQuorum=true or portUnification=true", err)
				break
			}
		}
		return nil, fmt.Errorf("%v: %w", nc.RemoteAddr(), err)
	}
	return conn, nil
}

// handshake ends when ctx does, or at until unless that is zero.
func handshake(ctx context.Context, conn *tls.Conn, until time.Time) error {
	_ = conn.SetDeadline(until)
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake failed: %w", err)
	}
	return nil
}

// begun is a connection of which the first bytes are read already.
type begun struct {
	net.Conn
	head []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	b.head = b.head[n:]
	return n, nil
}

// NetConn is the connection below, as that of tls.Conn.
func (b *begun) NetConn() net.Conn { return b.Conn }

// buffered reads a connection of which something is read already.
func buffered(nc net.Conn, early []byte, size int) *bufio.Reader {
	if len(early) == 0 {
		return bufio.NewReaderSize(nc, size)
	}
	return bufio.NewReaderSize(&begun{Conn: nc, head: early}, size)
}

// described is what a line of the log says of how a connection is secured.
func described(nc net.Conn, user string) []any {
	var all []any
	if conn, ok := nc.(*tls.Conn); ok {
		state := conn.ConnectionState()
		all = append(all, "tls", tls.VersionName(state.Version))
		if len(state.PeerCertificates) > 0 {
			all = append(all, "certificate", state.PeerCertificates[0].Subject.String())
		}
	}
	if user != "" {
		all = append(all, "user", user)
	}
	return all
}
