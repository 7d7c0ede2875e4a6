package zk

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Client is one session with the servers. It is safe for use by any number of
// goroutines.
type Client struct {
	opt    options
	hosts  lockedHosts
	chroot string
	watch  watchTable
	events *eventQueue // nil without a handler
	calls  sync.Pool   // of *call

	wake  chan struct{}   // cap 1: calls or credentials wait for the writer
	halt  context.Context // ends what goes on between connections
	stop  context.CancelFunc
	done  chan struct{} // closed once the client is over
	ended chan struct{} // closed when the session goroutine has returned

	mu          sync.Mutex
	state       State
	cause       error // the reason of the last broken connection or failed attempt
	over        error // why the client is over; nil until it is
	closing     bool
	closeReq    chan struct{} // closed by Close and Detach
	detach      bool
	queue       []*call // not sent yet, in order
	dropped     int     // calls in the queue whose callers have left
	queueTimer  *time.Timer
	pending     []*call // sent on this connection, in order, from pendingAt on
	pendingAt   int
	xid         int32
	auths       []*credential
	authSent    int           // credentials sent on this connection
	authWait    []*credential // sent and not answered, in order
	sessionID   int64
	password    []byte
	timeout     time.Duration // as negotiated, or as asked for until then
	lastZxid    int64
	established bool // with a read-write server, so that the id is worth keeping
	server      string
	preferred   string // a read-write server that was found in read-only mode
}

// New starts a client and returns at once; the session begins with the first
// connection, for which operations wait. servers is a connect string,
// "host:port,host:port/chroot"; all paths of the client are below the chroot,
// which must exist or be created first by a client without it.
func New(servers string, opts ...Option) (*Client, error) {
	o := defaultOptions()
	for _, opt := range opts {
		opt(&o)
	}
	addrs, chroot, err := ParseServers(servers)
	if err != nil && (o.hosts == nil || servers != "") {
		return nil, err
	}
	if o.sessionTimeout < time.Millisecond || o.sessionTimeout > 1<<31*time.Millisecond-1 {
		return nil, fmt.Errorf("zk: a session timeout of %v is outside 1 ms to 24 days", o.sessionTimeout)
	}
	if o.hosts == nil {
		o.hosts = NewHostList(addrs)
	}
	c := &Client{
		opt: o, hosts: lockedHosts{list: o.hosts}, chroot: chroot,
		wake: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
		closeReq:  make(chan struct{}),
		sessionID: o.sessionID, password: o.password, established: o.sessionID != 0,
		timeout: o.sessionTimeout,
	}
	c.halt, c.stop = context.WithCancel(context.Background())
	c.watch.init()
	for i := range o.auths {
		c.auths = append(c.auths, &o.auths[i])
	}
	if o.handler != nil {
		c.events = newEventQueue()
		go c.events.dispatch(o.handler)
	}
	go c.run()
	return c, nil
}

// Dial starts a client like New and waits for its session, or until ctx ends,
// or until the session is refused; on failure the client is closed.
func Dial(ctx context.Context, servers string, opts ...Option) (*Client, error) {
	c, err := New(servers, opts...)
	if err != nil {
		return nil, err
	}
	if err := c.Wait(ctx); err != nil {
		_ = c.Close() // always nil
		return nil, err
	}
	return c, nil
}

// Wait returns once there is a connection, or fails when ctx ends or the
// client is over.
func (c *Client) Wait(ctx context.Context) error {
	cl := c.newCall(0)
	cl.probe = true
	if err := c.submit(ctx, cl); err != nil {
		c.mu.Lock()
		cause := c.cause
		c.mu.Unlock()
		if cause != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w (last attempt: %w)", err, cause)
		}
		return opError("connect", "", err)
	}
	c.releaseCall(cl)
	return nil
}

// State returns the state of the session.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// SessionID returns the id of the session, 0 before it exists.
func (c *Client) SessionID() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessionID
}

// Password returns the secret that goes with the session's id; with both,
// WithSession resumes it.
func (c *Client) Password() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.password...)
}

// SessionTimeout returns the timeout as negotiated; before the session exists,
// the one asked for.
func (c *Client) SessionTimeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timeout
}

// Server returns the host:port that the client is connected to, "" while it
// is not.
func (c *Client) Server() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state.Connected() {
		return ""
	}
	return c.server
}

// LastZxid returns the highest transaction id that the client has seen.
func (c *Client) LastZxid() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastZxid
}

// Cause returns why the last connection broke or the last attempt to connect
// failed; nil while connected.
func (c *Client) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Done is closed when the client is over: closed, expired, or refused.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns nil until the client is over, then why: ErrClosed,
// ErrSessionExpired or ErrAuthFailed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// Drain waits until the event handler has dealt with all events that have
// arrived so far. It must not be called from the handler.
func (c *Client) Drain(ctx context.Context) error {
	if c.events == nil {
		return nil
	}
	return c.events.drain(ctx)
}

// Close ends the session: its ephemeral znodes are deleted before Close
// returns, if a server can be told. It waits for the answers to requests that
// are under way, but no longer than a third of the session timeout. Close
// always returns nil and may be called more than once.
func (c *Client) Close() error {
	c.finish(false)
	return nil
}

// Detach ends the client and leaves the session to live until its timeout, so
// that another client may take it over, see WithSession.
func (c *Client) Detach() {
	c.finish(true)
}

func (c *Client) finish(detach bool) {
	c.mu.Lock()
	if !c.closing {
		c.closing, c.detach = true, detach
		close(c.closeReq)
		if detach || !c.state.Connected() {
			c.stop()
		}
	}
	c.mu.Unlock()
	<-c.ended
}

// emit hands an event to the handler.
func (c *Client) emit(e Event) {
	if c.events != nil {
		c.events.put(e, e.Path)
	}
}

// setState changes the state and tells the handler; c.mu is held.
func (c *Client) setState(s State, err error) {
	c.state = s
	c.emit(Event{Type: EventSession, State: s, Zxid: -1, Err: err})
}

// terminate ends the client: everything that waits gets err.
func (c *Client) terminate(s State, err error) {
	c.mu.Lock()
	c.over, c.cause = err, nil
	c.setState(s, err)
	c.failLocked(&c.queue, 0, err)
	c.dropped = 0
	c.failPending(err)
	c.watch.end(Event{Type: EventSession, State: s, Zxid: -1, Err: err})
	c.mu.Unlock()
	c.stop()
	if c.events != nil {
		c.events.end()
	}
	close(c.done)
}
