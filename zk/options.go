package zk

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Option sets how a client works.
type Option func(*options)

type options struct {
	sessionTimeout time.Duration
	connectTimeout time.Duration // 0: session timeout shared by the servers
	backoffMin     time.Duration
	backoffMax     time.Duration
	dial           func(ctx context.Context, addr string) (net.Conn, error)
	tls            *tls.Config
	readOnly       bool
	failFast       bool
	handler        func(Event)
	attempt        func(server string, err error)
	hosts          HostList
	auths          []credential
	login          *login // nil: no SASL
	maxRequest     int
	maxReply       int
	sessionID      int64
	password       []byte
}

func defaultOptions() options {
	return options{
		sessionTimeout: 10 * time.Second,
		backoffMin:     100 * time.Millisecond,
		backoffMax:     5 * time.Second,
		dial:           dialHost,
		maxRequest:     0xfffff,
		maxReply:       128 << 20,
	}
}

// WithSessionTimeout asks for a session timeout (10 s unless given); the
// servers may clamp it, see SessionTimeout. Heartbeats go out after a third of
// it without requests; a connection without any answer for two thirds is
// given up.
func WithSessionTimeout(d time.Duration) Option {
	return func(o *options) { o.sessionTimeout = d }
}

// WithConnectTimeout bounds one attempt, the handshake included. Unless given,
// it is the session timeout divided by the number of servers.
func WithConnectTimeout(d time.Duration) Option {
	return func(o *options) { o.connectTimeout = d }
}

// WithBackoff sets the pause before the second round through the servers (100
// ms unless given) and the one at which it stops doubling (5 s, and never more
// than a fifth of the session timeout). Pauses are jittered, so that clients
// that lost the same server do not return as one.
func WithBackoff(least, most time.Duration) Option {
	return func(o *options) { o.backoffMin, o.backoffMax = least, max(least, most) }
}

// WithDialer replaces the way a host:port becomes a connection.
func WithDialer(dial func(ctx context.Context, addr string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithTLS speaks TLS to the servers' secure client ports. Without a
// ServerName in the configuration the name dialled is verified.
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.tls = config }
}

// WithReadOnly accepts servers in read-only mode when no others answer; the
// client goes on looking for one with a quorum and moves there by itself.
func WithReadOnly() Option {
	return func(o *options) { o.readOnly = true }
}

// WithFailFast makes operations that wait for a connection fail with
// ErrConnectionLoss as soon as every server has been tried once in vain.
func WithFailFast() Option {
	return func(o *options) { o.failFast = true }
}

// WithEventHandler calls f with every event of the session and, once each,
// with every event of a watch, in the order in which they came. Calls come from one
// goroutine, one at a time; f may use the client. The last event is the one
// whose state is Over, and it may come after Close has returned.
func WithEventHandler(f func(Event)) Option {
	return func(o *options) { o.handler = f }
}

// WithAttemptHook calls f after each attempt to connect, with a nil error when
// it led to a session. f must return at once and must not use the client.
func WithAttemptHook(f func(server string, err error)) Option {
	return func(o *options) { o.attempt = f }
}

// WithHostList takes the servers from l; the addresses of the connect string
// are then not used, only its chroot is.
func WithHostList(l HostList) Option {
	return func(o *options) { o.hosts = l }
}

// WithAuth proves an identity on every connection, see AddAuth.
func WithAuth(scheme string, auth []byte) Option {
	return func(o *options) { o.auths = append(o.auths, credential{scheme: scheme, auth: auth}) }
}

// WithMaxRequest bounds a request in bytes (1 MiB - 1 unless given, the
// servers' jute.maxbuffer); larger ones are refused with ErrTooLarge, as a
// server would drop the connection.
func WithMaxRequest(n int) Option {
	return func(o *options) { o.maxRequest = n }
}

// WithMaxReply bounds what a server may send in one piece, in bytes (128 MiB
// unless given).
func WithMaxReply(n int) Option {
	return func(o *options) { o.maxReply = n }
}

// WithSession takes over a session that another client left by Detach, or
// lost, by its SessionID and Password. A session that is over by then ends
// the new client with ErrSessionExpired.
func WithSession(id int64, password []byte) Option {
	return func(o *options) { o.sessionID, o.password = id, append([]byte(nil), password...) }
}

// shareOf bounds a step by 1/n of the time that ctx has left.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || n <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
}
