package quorumport

import (
	"crypto/tls"
	"net"
	"sync"
)

// pen is what TLS writes its records to, below a tls.Conn and above the socket.
// It lets a link seal a few bytes without waiting for the socket: what TLS
// writes while nobody may wait stays in the pen, and goes out in front of what
// follows, so that the records keep their order.
type pen struct {
	net.Conn

	mu   sync.Mutex
	dry  bool   // records stay in held
	held []byte // records that have not left
}

// mostHeld is how much memory an empty pen keeps.
const mostHeld = 64 << 10

// Write takes a record, or part of one; it waits for the socket unless the pen
// is dry.
func (p *pen) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dry {
		p.held = append(p.held, b...)
		return len(b), nil
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// NetConn is the connection below, as that of tls.Conn.
func (p *pen) NetConn() net.Conn { return p.Conn }

// flush writes what is held; p.mu is held too.
func (p *pen) flush() error {
	if len(p.held) == 0 {
		return nil
	}
	n, err := p.Conn.Write(p.held)
	p.left(n)
	return err
}

// left notes that n of the bytes held have left.
func (p *pen) left(n int) {
	rest := copy(p.held, p.held[n:])
	if p.held = p.held[:rest]; rest == 0 && cap(p.held) > mostHeld {
		p.held = nil
	}
}

// dip lets records go to the socket, in turn those that are held, and dry has
// them stay in the pen. The link's writer dips while it is at the socket. The
// pen of a connection that is no link's is never dry.
func (p *pen) dip() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dry = false
	return p.flush()
}

func (p *pen) wipe() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dry = true
	}
}

// penOf is the pen below TLS, nil if there is none.
func penOf(nc net.Conn) *pen {
	if conn, ok := nc.(*tls.Conn); ok {
		p, _ := conn.NetConn().(*pen)
		return p
	}
	return nil
}

// sealNow is putNow on a link with TLS: all of b is sealed, and what the socket
// does not take at once is left to the writer. The writer is not at the socket,
// so the pen is dry, and nobody who holds a lock of the connection waits for the
// peer. l.mu is held.
func (l *Link) sealNow(b []byte) int {
	if _, err := l.nc.Write(b); err != nil {
		return 0 // for good, and the writer finds it too
	}
	l.pen.mu.Lock()
	l.tryWrite(l.pen.held)
	l.pen.left(l.now.n)
	rest := len(l.pen.held)
	l.pen.mu.Unlock()
	if rest > 0 {
		l.push(part{}) // has the writer dip the pen
		l.wake.Signal()
	}
	return len(b)
}
