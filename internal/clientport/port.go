// Package clientport is the client's side of the server: it accepts
// connections, cuts the byte stream into whole frames, performs the limits
// that concern connections, and writes replies back.
//
// It is the first and the last room on the way of a request. A few pollers look
// after all connections; none has a goroutine of its own. Batches of frames
// go to a Core (package node), which answers pure reads on the spot and
// everything else through its loop. The package knows frames, the connect
// request's place and the four-letter words' existence; it must never look
// into a request beyond its length, and never block the caller of Deliver,
// Flush and CloseAfterFlush.
package clientport

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/metrics"
)

// Core is what stands behind the port. Its methods are called by pollers, one
// at a time for each connection, and must not wait for anything.
type Core interface {
	// Open hands over the connect request of a connection.
	Open(c *Conn, body []byte)
	// Reads answers the pure reads at the front of frames into the
	// connection's output (BeginOut) and returns how many bytes and requests
	// it took. It is called only when nothing of the connection is outstanding.
	// Where the last of them takes long, its answer is left to long, for which
	// the connection waits.
	Reads(c *Conn, frames []byte) (bytes, requests int, long func())
	// Batch hands over whole frames and the memory they stand in; the core
	// gives that back with Recycle.
	Batch(c *Conn, frames []byte, mem *Buffer, requests int)
	// Room says that replies have been taken of a connection of which the core
	// has more.
	Room(c *Conn)
	// Closed says that the connection is gone. The core calls Release once it
	// has forgotten the id.
	Closed(c *Conn)
	// Serving reports whether requests can be taken at all.
	Serving() bool
	// Settle follows after a poller has handed over what there was from all its
	// connections.
	Settle()
	// IsWord reports whether a connection that begins with these four bytes asks
	// a four-letter word; otherwise they are the length of a frame.
	IsWord(word uint32) bool
	// Word answers a four-letter word, on a goroutine of its own.
	Word(word uint32, c *Conn)
}

// Limits bound what clients may take; the names of the options in comments.
type Limits struct {
	MaxFrame          int           // jute.maxbuffer, bytes
	PerAddress        int           // maxClientCnxns; 0 = off
	Total             int           // maxCnxns; 0 = off
	Outstanding       int64         // globalOutstandingLimit, requests
	SessionlessFor    time.Duration // nio.sessionlessCnxnTimeout
	LargeRequest      int           // largeRequestThreshold, bytes; <= 0 = off
	LargeRequestBytes int64         // largeRequestMaxBytes
	KeepAlive         bool          // clientTcpKeepAlive
	Backlog           int           // clientPortListenBacklog; -1 = of the system
	MaxOutput         int           // bytes of events and replies that a client may leave unread
	Descriptors       int           // the lowest file descriptor that no client may have; 0 = off
	Handshakes        int           // netty.server.outstandingHandshake.limit; <= 0 = off
	EarlyDrop         bool          // netty.server.earlyDropSecureConnectionHandshakes
}

// Port is the client port, the one for TLS clients, or both, and the connections
// of either.
type Port struct {
	Limits   Limits
	Throttle *Throttle
	Metrics  *metrics.Server
	Core     Core
	Log      *slog.Logger
	// TLS makes the handshakes of TLS clients; nil if there are to be none.
	TLS *tls.Config
	// Unified has TLS clients served on the client port too
	// (client.portUnification).
	Unified bool

	plain, secure *door // nil: not listened on
	pollers       []*poller
	next          atomic.Uint32 // poller of the next connection
	largeInFlight atomic.Int64  // bytes
	draining      atomic.Bool
	refusals      refusalLog

	heldCount atomic.Int32
	heldMu    sync.Mutex
	held      []*Conn // stopped by the global limit

	mu     sync.Mutex
	conns  []*Conn // by id; index 0 is unused
	free   []uint32
	taken  map[bool]*taken // by Conn.atSecure: as in Apache's server the limits are of each port
	closed bool
	relays map[*relay]struct{}
	wg     sync.WaitGroup // of connections
	relayW sync.WaitGroup // of relays
	stop   chan struct{}  // closed with the listening sockets
	served chan struct{}  // closed when Serve is through
}

// pollerCount leaves half of the cores to the loop, the disk and the rest: a
// poller does the work of many connections at a time.
func pollerCount() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (p *Port) stopPollers() {
	for _, q := range p.pollers {
		q.stop()
	}
}

// take makes a connection of a socket, or refuses it.
func (p *Port) take(fd int, from netip.AddrPort, secure bool) {
	q := p.pollers[int(p.next.Add(1)-1)%len(p.pollers)]
	if secure && p.refuseHandshake(from) {
		_ = unix.Close(fd)
		return
	}
	c := newConn(p, q, fd, from)
	c.atSecure = secure
	p.mu.Lock()
	why := p.refuse(c, fd)
	if why != "" {
		p.mu.Unlock()
		c.noTimer()
		p.Metrics.ConnectionRejected.Inc()
		p.refusals.say(p.Log, from, why)
		_ = unix.Close(fd)
		return
	}
	if n := len(p.free); n > 0 {
		c.id, p.free = p.free[n-1], p.free[:n-1]
		p.conns[c.id] = c
	} else {
		c.id = uint32(len(p.conns))
		p.conns = append(p.conns, c)
	}
	p.taken[secure].all++
	p.taken[secure].byIP[c.ip]++
	p.Metrics.NumAliveConnections.Add(1)
	p.wg.Add(1)
	p.mu.Unlock()
	if secure {
		c.fd = -1
		c.beginTLS(fd, nil)
		return
	}
	p.countPlain(from.Addr())
	if err := q.watch(fd, c.id); err != nil {
		p.Log.Warn("cannot watch a client connection", "client", from, "error", err)
		c.Abort()
	}
}

// byEvents returns the connections of a poller that events are of, nil for those
// that are gone: their numbers may be those of other connections, of which another
// poller is in charge.
func (p *Port) byEvents(q *poller, events []unix.EpollEvent, conns []*Conn) []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		var c *Conn
		if id := int(events[i].Fd); id < len(p.conns) {
			c = p.conns[id]
		}
		if c != nil && c.poll != q {
			c = nil
		}
		conns = append(conns, c)
	}
	return conns
}

// taken counts the connections that count for the limits of a door.
type taken struct {
	all  int
	byIP map[string]int
}

// refuse names the limit that forbids a connection, or "".
func (p *Port) refuse(c *Conn, fd int) string {
	have := p.taken[c.atSecure]
	switch {
	case p.closed:
		return "shutting down"
	case p.Limits.Descriptors > 0 && fd >= p.Limits.Descriptors:
		return "the server keeps its last file descriptors for its own files: raise the limit of open files (ulimit -n)"
	case p.Limits.Total > 0 && have.all >= p.Limits.Total:
		return fmt.Sprintf("maxCnxns is %d", p.Limits.Total)
	case p.Limits.PerAddress > 0 && have.byIP[c.ip] >= p.Limits.PerAddress:
		return fmt.Sprintf("too many connections from %s: maxClientCnxns is %d", c.ip, p.Limits.PerAddress)
	}
	return ""
}

// Release gives the id of a closed connection free.
func (p *Port) Release(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(id) < len(p.conns) && p.conns[id] != nil {
		p.conns[id] = nil
		p.free = append(p.free, id)
	}
}

// gone takes a connection off the counts; its id stays taken until Release.
func (p *Port) gone(c *Conn) {
	p.mu.Lock()
	had := p.taken[c.atSecure]
	had.all--
	if had.byIP[c.ip]--; had.byIP[c.ip] == 0 {
		delete(had.byIP, c.ip)
	}
	p.mu.Unlock()
	p.Metrics.NumAliveConnections.Add(-1)
	p.wg.Done()
}

// Conn returns the connection of an id, nil when there is none.
func (p *Port) Conn(id uint32) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(id) >= len(p.conns) {
		return nil
	}
	return p.conns[id]
}

// Conns returns the open connections.
func (p *Port) Conns() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Conn, 0, len(p.conns))
	for _, c := range p.conns {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// hold notes a connection that the global limit stops, so that Relieve wakes
// it; the connection's lock is held.
func (p *Port) hold(c *Conn) {
	p.heldMu.Lock()
	defer p.heldMu.Unlock()
	if !c.held {
		c.held = true
		p.held = append(p.held, c)
		p.heldCount.Store(int32(len(p.held)))
	}
}

// Held returns how many connections the global limit stops at present.
func (p *Port) Held() int { return int(p.heldCount.Load()) }

// Relieve lets the connections go on that the global limit stops, once the
// number of requests under way is within it. The loop calls it after a turn.
func (p *Port) Relieve() {
	if p.heldCount.Load() == 0 || p.Metrics.OutstandingRequests.Value() > p.Limits.Outstanding {
		return
	}
	p.heldMu.Lock()
	held := p.held
	p.held = nil
	p.heldCount.Store(0)
	for _, c := range held {
		c.held = false
	}
	p.heldMu.Unlock()
	for _, c := range held {
		c.kick()
	}
}

// count books the end of a connection under its reason.
func (p *Port) count(c *Conn, err error) {
	switch err {
	case errThrottled:
		p.Metrics.ConnectionRejected.Inc()
	case errSessionless:
		p.Metrics.SessionlessConnectionsExpired.Inc()
	case errClosing, errStopping, errNotServing, errWord, errHandshake:
		return
	default:
		p.Metrics.ConnectionDropCount.Inc()
	}
	if p.Log.Enabled(context.Background(), slog.LevelDebug) {
		p.Log.Debug("client connection ended", "client", c.RemoteAddr(), "reason", err)
	}
}

// refusalLog keeps a crowd of refused connections from filling the log.
type refusalLog struct {
	last    time.Time
	silent  int
	refused sync.Mutex
}

// refusalEvery is how often refused connections are logged at most.
const refusalEvery = time.Second

func (r *refusalLog) say(log *slog.Logger, client netip.AddrPort, why string) {
	r.refused.Lock()
	defer r.refused.Unlock()
	now := time.Now()
	if now.Sub(r.last) < refusalEvery {
		r.silent++
		return
	}
	log.Warn("connection refused", "client", client, "reason", why, "more_before", r.silent)
	r.last, r.silent = now, 0
}

// StopAccepting closes the listening sockets.
func (p *Port) StopAccepting() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if !first {
		return
	}
	close(p.stop)
	for _, d := range p.doors() {
		d.listener().Close()
	}
}

// Drain reads nothing more, waits up to limit until what was read is answered
// and written, and closes all connections. Serve has been started.
func (p *Port) Drain(limit time.Duration) {
	p.StopAccepting()
	<-p.served
	defer p.stopPollers()
	defer p.endRelays()
	p.draining.Store(true)
	for _, c := range p.Conns() {
		c.hurry()
	}
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	patience := time.NewTimer(limit)
	defer patience.Stop()
	select {
	case <-done:
		return
	case <-patience.C:
	}
	for _, c := range p.Conns() {
		c.Abort()
	}
	<-done
}

// endRelays waits for the last bytes of the TLS connections, which have ended.
func (p *Port) endRelays() {
	done := make(chan struct{})
	go func() {
		p.relayW.Wait()
		close(done)
	}()
	patience := time.NewTimer(lingerFor)
	defer patience.Stop()
	select {
	case <-done:
		return
	case <-patience.C:
	}
	p.mu.Lock()
	for r := range p.relays {
		_ = r.raw.Close()
	}
	p.mu.Unlock()
	<-done
}
