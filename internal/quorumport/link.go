package quorumport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zooid/internal/wire"
)

// LinkOptions bounds what a link takes; the names of the options of zoo.cfg
// stand in the comments.
type LinkOptions struct {
	Log *slog.Logger // nil = none

	// MaxPacket bounds the data of a packet and, on their own, its identities,
	// in bytes: jute.maxbuffer + jute.maxbuffer.extrasize; 0 = their defaults.
	MaxPacket int
	// MaxQueue is how many bytes may wait to be written before the link is cut;
	// 0 = any number.
	MaxQueue int
	// TakesWithin bounds how long the peer may take to read a piece of up to
	// pieceMost bytes that is written to it; 0 = none.
	TakesWithin time.Duration
	NoDelay     bool // leader.nodelay, follower.nodelay
	KeepAlive   bool // tcpKeepAlive
}

// defaultMaxPacket is twice the default of jute.maxbuffer, which is that of
// the extra size too.
const defaultMaxPacket = 2 * 0xfffff

// Handler takes what links bring. Its methods are called on the reader
// goroutine of the link, so a link is read no faster than they return.
type Handler interface {
	// Packets hands over packets in the order of the stream. batch, and Data of
	// its packets, are parts of mem: whoever has it last calls Recycle(mem).
	Packets(l *Link, batch []wire.QuorumPacket, mem *Buffer)
	// Snapshot is called directly after a batch whose last packet is a SNAP,
	// only on links that were dialled. It reads the inline snapshot from r up to
	// its end, the signature included, and no byte further; small reads cost
	// nothing. r is a *LinkReader. An error ends the link.
	Snapshot(l *Link, r io.Reader) error
	// Down is called once, last: neither of the link's goroutines runs any
	// more, and no function of Stream either.
	Down(l *Link, err error)
}

// Why a link ends, when it is not the peer's doing; Down gets them wrapped.
var (
	// ErrLinkClosed is what Down gets for Close(nil).
	ErrLinkClosed = errors.New("link closed by this server")
	// ErrLinkSilent says that the peer sent nothing for the read timeout.
	ErrLinkSilent = errors.New("peer sent nothing in time")
	// ErrLinkQueue says that the peer does not read what it is sent.
	ErrLinkQueue = errors.New("peer does not read what it is sent")
	// ErrLinkPacket says that the stream is none of packets, or that a packet is
	// larger than MaxPacket.
	ErrLinkPacket = errors.New("bad packet")
)

const (
	// flushFor bounds how long CloseAfterFlush waits for the peer to read.
	flushFor = time.Second
	// flushGrace is how long the peer may take to close its own end then: to
	// close a socket with unread input takes back what was written last.
	flushGrace = 250 * time.Millisecond
)

// Link is one connection between a learner and its leader: a goroutine that
// cuts the stream into packets, one that writes what is queued, and the limits
// of both. It knows the form of packets and where a snapshot starts, and
// nothing else about them. (Learner and LearnerHandler, their sockets.)
type Link struct {
	BytesSent, BytesReceived atomic.Int64

	id      uint32
	nc      net.Conn
	o       LinkOptions
	h       Handler
	dialled bool
	born    time.Time
	gone    func()        // of the port: called after Down
	done    chan struct{} // closed at the very end
	input   input

	// Set once the link is over, or is about to be: the handler gets no more.
	stopped atomic.Bool

	mu       sync.Mutex
	wake     sync.Cond // of the writer
	queue    []part
	head     int // of queue
	queued   int // bytes, those being written included
	share    *QueueShare
	packets  int  // in queue, as far as they are counted
	busy     bool // the writer is at the socket
	flushing bool
	ended    bool
	err      error           // for Down
	direct   syscall.RawConn // nil: only the writer can write
	now      directWrite     // guarded by mu
	pen      *pen            // nil: no TLS, or only the writer can write

	meter   atomic.Pointer[Meter]
	written chan struct{} // closed when the writer is through
	// Where the writer is with a bulk part: notStreaming, streaming, or since
	// when (time after born) it has been waiting for the peer to read.
	stream      atomic.Int64
	streamEnded atomic.Int64 // time after born
}

// NewLink makes a link of a connection; Start sets it going. The id tells it
// from every other one of the server; dialled says that the peer is the
// leader, whose SNAP packets have a snapshot behind them.
func NewLink(id uint32, nc net.Conn, o LinkOptions, h Handler, dialled bool) *Link {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxPacket <= 0 {
		o.MaxPacket = defaultMaxPacket
	}
	l := &Link{
		id: id, nc: nc, o: o, h: h, dialled: dialled, born: time.Now(),
		done: make(chan struct{}), written: make(chan struct{}),
	}
	l.wake.L = &l.mu
	l.pen = penOf(nc)
	if tcp, ok := rawSocket(nc).(*net.TCPConn); ok && (l.pen != nil || nc == net.Conn(tcp)) {
		l.direct, _ = tcp.SyscallConn()
		l.now.once = l.now.write
	}
	l.pen.wipe()
	l.input.size = smallestBuffer
	l.input.reader.l = l
	tuneSocket(nc, o.NoDelay, o.KeepAlive)
	return l
}

// tuneSocket sets the options of a TCP connection, also below TLS.
func tuneSocket(nc net.Conn, noDelay, keepAlive bool) {
	if tcp, ok := rawSocket(nc).(*net.TCPConn); ok {
		// A dead socket says so at its first read.
		_ = tcp.SetNoDelay(noDelay)
		_ = tcp.SetKeepAlive(keepAlive)
	}
}

// rawSocket is the connection below TLS, or nc itself.
func rawSocket(nc net.Conn) net.Conn {
	for {
		over, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = over.NetConn()
	}
}

// Start starts the reader and the writer. From now on Down will come, even on
// a link that was closed before. It is called once.
func (l *Link) Start() {
	go l.read()
	go l.write()
}

// ID returns the number that NewLink was given.
func (l *Link) ID() uint32 { return l.id }

// RemoteAddr returns the address of the peer.
func (l *Link) RemoteAddr() net.Addr { return l.nc.RemoteAddr() }

// Done is closed when Down has returned.
func (l *Link) Done() <-chan struct{} { return l.done }

// Queued returns how many bytes wait to be written.
func (l *Link) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// Close ends the link at once, from any goroutine; what is queued is lost. err
// is what Down gets, ErrLinkClosed for nil; the first one counts. A function
// of Stream sees its next write fail.
func (l *Link) Close(err error) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.endLocked(err)
	l.mu.Unlock()
	l.hangUp()
}

// endLocked is Close without the socket; l.mu is held.
func (l *Link) endLocked(err error) {
	l.stopLocked(err)
	l.ended = true
	for _, p := range l.queue[l.head:] {
		Recycle(p.mem)
	}
	l.share.add(-l.queued)
	l.queue, l.head, l.queued = nil, 0, 0
	l.wake.Signal()
}

func (l *Link) stopLocked(err error) {
	if err == nil {
		err = ErrLinkClosed
	}
	if l.err == nil {
		l.err = err
	}
	l.stopped.Store(true)
}

// hangUp closes the socket, which frees both goroutines from it. The farewell
// of TLS, which waits for a peer that does not read, is left out.
func (l *Link) hangUp() { rawSocket(l.nc).Close() }

// CloseAfterFlush ends the link once everything queued has been written, or
// after a second. Nothing more is sent, nor handed to the handler, but Down
// with err.
func (l *Link) CloseAfterFlush(err error) {
	l.mu.Lock()
	if l.ended || l.flushing {
		l.mu.Unlock()
		return
	}
	l.stopLocked(err)
	l.flushing = true
	l.wake.Signal()
	l.mu.Unlock()
	l.nc.SetWriteDeadline(time.Now().Add(flushFor))
	l.kick()
}

// read is the reader, from the first byte to Down.
func (l *Link) read() {
	l.input.mem = takeBuffer(max(l.input.size, len(l.input.early)))
	l.input.to = copy(l.input.mem.b, l.input.early)
	l.BytesReceived.Add(int64(l.input.to))
	l.input.early = nil
	err := l.receive()
	l.mu.Lock()
	flushing := l.flushing && !l.ended
	l.mu.Unlock()
	if flushing {
		l.discard()
	} else {
		l.Close(err)
	}
	<-l.written
	l.Close(nil) // after a flush
	Recycle(l.input.mem)
	l.input.mem = nil
	l.mu.Lock()
	err = l.err
	l.mu.Unlock()
	l.h.Down(l, err)
	if l.gone != nil {
		l.gone()
	}
	close(l.done)
}

// discard reads on until the peer has closed, while the writer flushes.
func (l *Link) discard() {
	l.farewell(flushFor + flushGrace)
	_, _ = io.Copy(io.Discard, l.nc)
}

// badPacket is the error for a stream that goes on with in.
func badPacket(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLinkPacket, fmt.Sprintf(format, args...))
}
