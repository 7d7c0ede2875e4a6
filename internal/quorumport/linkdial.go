package quorumport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
)

// DialOptions says how long a learner tries to reach its leader; the names of
// the options of zoo.cfg stand in the comments.
type DialOptions struct {
	Attempts int           // for each address; 0 = 5, as ZooKeeper
	Delay    time.Duration // between two of them (leaderConnectDelayDuringRetryMs); 0 = 100 ms
	// Limit bounds all of it: tickTime times connectToLearnerMasterLimit, or
	// times initLimit; 0 = none.
	Limit time.Duration
	// PerTry bounds one try with its name look-up; 0 = none.
	PerTry    time.Duration
	NoDelay   bool // follower.nodelay
	KeepAlive bool // tcpKeepAlive
	// Quick makes the first tries after a refused connection come after 2, 5,
	// 10, 20 and 50 ms, without giving up before Attempts times Delay have
	// passed: a leader opens its port a moment after its followers know of it.
	Quick bool
	// Security is what the connection has beside TCP; nil = nothing.
	Security *Security

	// connect makes one try; nil = over TCP.
	connect func(ctx context.Context, address string) (net.Conn, error)
}

const (
	defaultDialAttempts = 5
	defaultDialDelay    = 100 * time.Millisecond
)

var quickDelays = []time.Duration{
	2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
}

// DialLeader connects to the first address ("host:port") of a leader that
// answers; all are tried in parallel, and names are resolved at each try. The
// error names each address with the reason of its last try. (Learner.
// connectToLeader.)
func DialLeader(ctx context.Context, addresses []string, o DialOptions) (net.Conn, error) {
	if len(addresses) == 0 {
		return nil, errors.New("the leader has no address")
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultDialAttempts
	}
	if o.Delay <= 0 {
		o.Delay = defaultDialDelay
	}
	if o.connect == nil {
		o.connect = dialTCP
	}
	first, err := dialFirst(ctx, addresses, &o)
	if err != nil {
		return nil, err
	}
	tuneSocket(first, o.NoDelay, o.KeepAlive)
	defer context.AfterFunc(ctx, func() { rawSocket(first).Close() })()
	within := o.PerTry
	if within <= 0 {
		within = defaultHandshakeTimeout
	}
	if err := o.Security.login(first, first, within); err != nil {
		rawSocket(first).Close()
		return nil, fmt.Errorf("cannot authenticate this server to the leader: %w", err)
	}
	return first, nil
}

// dialFirst is the connection to the address that answers first.
func dialFirst(ctx context.Context, addresses []string, o *DialOptions) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.Limit)
		defer cancel()
	}
	type outcome struct {
		nc  net.Conn
		err error
	}
	outcomes := make(chan outcome)
	for _, address := range addresses {
		go func() {
			nc, err := dialAddress(ctx, address, o)
			outcomes <- outcome{nc, err}
		}()
	}
	var first net.Conn
	var errs []error
	for range addresses { // all of them: none is left behind
		got := <-outcomes
		switch {
		case got.err != nil:
			errs = append(errs, got.err)
		case first == nil:
			first = got.nc
			cancel()
		default:
			rawSocket(got.nc).Close()
		}
	}
	if first == nil {
		return nil, dialError{errs}
	}
	return first, nil
}

// dialError is why none of the addresses answered.
type dialError struct{ each []error }

func (e dialError) Error() string {
	text := make([]string, len(e.each))
	for i, err := range e.each {
		text[i] = err.Error()
	}
	return "cannot connect to the leader: " + strings.Join(text, "; ")
}

func (e dialError) Unwrap() []error { return e.each }

// dialAddress tries one address until it answers or there is no time left.
func dialAddress(ctx context.Context, address string, o *DialOptions) (net.Conn, error) {
	start, quick := time.Now(), 0
	for tries := 1; ; tries++ {
		nc, err := o.try(ctx, address)
		if err == nil {
			return nc, nil
		}
		early := o.Quick && time.Since(start) < time.Duration(o.Attempts)*o.Delay
		if tries >= o.Attempts && !early {
			return nil, fmt.Errorf("%w (%d tries)", err, tries)
		}
		delay := o.Delay
		if o.Quick && quick < len(quickDelays) && errors.Is(err, syscall.ECONNREFUSED) {
			delay = min(delay, quickDelays[quick])
			quick++
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= delay {
			return nil, fmt.Errorf("%w (%d tries, no time for another)", err, tries)
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w (last: %w)", ctx.Err(), err)
		}
	}
}

func (o *DialOptions) try(ctx context.Context, address string) (net.Conn, error) {
	if o.PerTry > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.PerTry)
		defer cancel()
	}
	nc, err := o.connect(ctx, address)
	if err != nil || o.Security == nil {
		return nc, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return o.Security.dial(ctx, nc, host)
}

// dialTCP makes one try, with the look-up of a name.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	return d.DialContext(ctx, "tcp", address)
}
