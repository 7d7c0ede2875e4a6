package clientport

import (
	"io"
	"net"
	"os"
	"time"
)

// serveWord has a goroutine answer a four-letter word. It may wait for the
// client as long as the limits allow, on a socket that is its own.
func (c *Conn) serveWord(word uint32) {
	c.noTimer()
	nc, err := c.detach()
	if err != nil {
		c.leave(err)
		return
	}
	_ = nc.SetReadDeadline(c.Since.Add(c.port.Limits.SessionlessFor))
	if c.port.draining.Load() { // its deadline may be the one just replaced
		_ = nc.SetReadDeadline(time.Now())
	}
	c.beside(func() {
		c.port.Core.Word(word, c)
		_ = nc.CloseWrite()
		_ = nc.SetReadDeadline(time.Now().Add(lingerFor))
		_, _ = io.Copy(io.Discard, io.LimitReader(nc, discardMax))
	})
}

// detach makes the socket one that can be waited for.
func (c *Conn) detach() (stream, error) {
	c.poll.forget(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := os.NewFile(uintptr(c.fd), "socket")
	c.fd = -1
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	c.nc = nc.(stream)
	return c.nc, nil
}

// stream is a socket that can be waited for and closed in one direction.
type stream interface {
	net.Conn
	CloseWrite() error
}

// Argument returns the n bytes behind a four-letter word, waiting for them.
func (c *Conn) Argument(n int) ([]byte, error) {
	got := append([]byte(nil), c.in.b[4:c.have]...)
	if len(got) >= n {
		return got[:n], nil
	}
	b := append(got, make([]byte, n-len(got))...)
	if _, err := io.ReadFull(c.nc, b[len(got):]); err != nil {
		return nil, err
	}
	return b, nil
}

// wordPiece is how many bytes of a four-letter word's answer a client has to
// take within lingerFor.
const wordPiece = 64 << 10

// WriteWord writes the answer of a four-letter word, for as long as the client
// goes on taking it.
func (c *Conn) WriteWord(text []byte) {
	for len(text) > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(lingerFor))
		n, err := c.nc.Write(text[:min(len(text), wordPiece)])
		if err != nil {
			return
		}
		text = text[n:]
	}
}
