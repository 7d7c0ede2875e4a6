package clientport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// door is one of the port's listening sockets.
type door struct {
	port    *Port
	option  string        // of the configuration, that names it
	ln      *listener     // port.mu guards it
	moving  sync.Mutex    // one move at a time; taken before port.mu
	address string        // that was asked for; moving guards it
	moved   chan struct{} // there is another listener
}

// Listen binds address ("host:port") for plain clients, and with Unified for
// those of TLS too. An address in use is an error that says so and what to do.
func (p *Port) Listen(address string) (err error) {
	p.plain, err = p.open("clientPort", address)
	return err
}

// ListenTLS binds address for TLS clients.
func (p *Port) ListenTLS(address string) (err error) {
	p.secure, err = p.open("secureClientPort", address)
	return err
}

// open binds one door, the first time with all that stands behind it.
func (p *Port) open(option, address string) (*door, error) {
	ln, err := bind(option, address, &p.Limits)
	if err != nil {
		return nil, err
	}
	d := &door{port: p, option: option, ln: ln, address: address, moved: make(chan struct{}, 1)}
	if p.pollers != nil {
		return d, nil
	}
	p.stop, p.served = make(chan struct{}), make(chan struct{})
	p.conns = make([]*Conn, 1)
	p.taken = map[bool]*taken{false: {byIP: map[string]int{}}, true: {byIP: map[string]int{}}}
	p.relays = map[*relay]struct{}{}
	for range pollerCount() {
		q, err := newPoller(p)
		if err != nil {
			ln.Close()
			p.stopPollers()
			return nil, fmt.Errorf("cannot wait for clients: %w", err)
		}
		p.pollers = append(p.pollers, q)
		go q.run()
	}
	return d, nil
}

// Discard gives up a port that was listened on and that nobody serves.
func (p *Port) Discard() {
	for _, d := range p.doors() {
		d.listener().Close()
	}
	p.stopPollers()
}

// doors are those that are open.
func (p *Port) doors() []*door {
	var all []*door
	for _, d := range []*door{p.plain, p.secure} {
		if d != nil {
			all = append(all, d)
		}
	}
	return all
}

// Move listens for plain clients on another address in place of the present
// one; connections stay. After an error it listens where it did. Serve has been
// started.
func (p *Port) Move(address string) error {
	if p.plain == nil {
		return errors.New("there is no client port that could be moved")
	}
	return p.plain.move(address)
}

func (d *door) move(address string) error {
	d.moving.Lock()
	defer d.moving.Unlock()
	if address == d.address {
		return nil
	}
	old, limits := d.listener(), &d.port.Limits
	ln, err := bind(d.option, address, limits)
	if err == nil {
		d.listenOn(ln)
		old.Close()
		d.address = address
		return nil
	}
	// The same port with another host: the old one stands in its way.
	_, port, _ := net.SplitHostPort(address)
	if _, before, _ := net.SplitHostPort(old.addr.String()); before != port {
		return err
	}
	old.Close()
	if ln, err = bind(d.option, address, limits); err == nil {
		d.listenOn(ln)
		d.address = address
		return nil
	}
	if back, again := bind(d.option, old.addr.String(), limits); again == nil {
		d.listenOn(back)
	} else {
		err = errors.Join(err, again)
	}
	return err
}

func (d *door) listener() *listener {
	d.port.mu.Lock()
	defer d.port.mu.Unlock()
	return d.ln
}

// listenOn makes a listener the present one, unless the port is closing.
func (d *door) listenOn(ln *listener) {
	d.port.mu.Lock()
	defer d.port.mu.Unlock()
	if d.port.closed {
		ln.Close()
		return
	}
	d.ln = ln
	select {
	case d.moved <- struct{}{}:
	default:
	}
}

// Addr returns the address of the client port, nil without one.
func (p *Port) Addr() net.Addr { return p.plain.addr() }

// SecureAddr returns the address of the port for TLS clients, nil without one.
func (p *Port) SecureAddr() net.Addr { return p.secure.addr() }

func (d *door) addr() net.Addr {
	if d == nil {
		return nil
	}
	return d.listener().addr
}

// Serve accepts connections until StopAccepting.
func (p *Port) Serve() {
	defer close(p.served)
	var doors sync.WaitGroup
	for _, d := range p.doors() {
		doors.Go(d.serve)
	}
	doors.Wait()
}

func (d *door) serve() {
	p := d.port
	pause := acceptPauseMin
	var got []accepted
	for {
		ln := d.listener()
		var err error
		if got, err = ln.accept(got[:0]); err == nil {
			pause = acceptPauseMin
			for _, a := range got {
				p.take(a.fd, addressOf(a.from), d == p.secure)
			}
			continue
		}
		if errors.Is(err, os.ErrClosed) {
			if d.another(ln) {
				continue
			}
			return
		}
		// Out of file descriptors, most likely: go on once some are back.
		p.Log.Warn("cannot accept a client connection", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-p.stop:
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// another waits until there is another listener than ln, which is closed; false
// when the port is closed.
func (d *door) another(ln *listener) bool {
	for {
		if d.listener() != ln {
			return true
		}
		select {
		case <-d.moved:
		case <-d.port.stop:
			return false
		}
	}
}

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)
