package loadgen

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// refused says why no connection came about, and what to look at.
func refused(server *endpoint, err error) error {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%s: %w: does a server listen there?", server.name, err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %w: this machine has no local port left for it", server.name, err)
	}
	return fmt.Errorf("%s: %w", server.name, err)
}

// lost says that a connection ended; err is nil when the server closed it.
func lost(c *conn, err error) error {
	if c.state == dialing || c.state == greeting {
		return early(c.server.name, err)
	}
	if err == nil {
		err = errors.New("the server closed the connection")
	}
	return fmt.Errorf("%s: %w, session open, %d requests in flight", c.server.name, err, c.inflight())
}

// early says that a connection ended before its session was there.
func early(server string, err error) error {
	if err == nil {
		err = errors.New("connection closed")
	}
	return fmt.Errorf("%s: %w before the session was open: the server may not be serving yet, "+
		"or refuse so many connections from one address (maxClientCnxns, 60 unless set; 0 is no limit)", server, err)
}
