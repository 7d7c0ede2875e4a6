package zk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/wire"
)

// login is a user who authenticates with DIGEST-MD5 on every connection.
type login struct{ user, password string }

// WithSASLDigest authenticates as user with SASL (DIGEST-MD5) on every
// connection, before anything else is sent on it. An event of the session with
// StateSASLAuthenticated follows that of the connection. A refusal, and a
// server that does not offer SASL or does not know the password itself, is
// ErrAuthFailed and ends the client, as it does with Apache's clients.
func WithSASLDigest(user, password string) Option {
	return func(o *options) { o.login = &login{user, password} }
}

// authenticate has the exchange on a connection whose handshake is done, if
// the client is to have one. It takes no longer than Close may wait.
func (c *Client) authenticate(l *link) error {
	if c.opt.login == nil {
		return nil
	}
	_ = l.conn.SetDeadline(time.Now().Add(l.readTimeout / 2))
	if err := c.exchange(l); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return errors.New("the server does not answer a SASL token")
		}
		return err
	}
	_ = l.conn.SetDeadline(time.Time{})
	c.emit(Event{Type: EventSession, State: StateSASLAuthenticated, Zxid: -1})
	return nil
}

func (c *Client) exchange(l *link) error {
	var random [sasl.NonceBytes]byte
	rand.Read(random[:])
	exchange := sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, c.opt.login.user, c.opt.login.password, sasl.Nonce(random[:]))
	token := []byte{}
	for {
		answer, err := c.sendToken(l, token)
		if err != nil {
			return err
		}
		next, done, err := exchange.Step(answer)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAuthFailed, err)
		}
		if done {
			return nil
		}
		token = next
	}
}

// sendToken sends a token and returns that of the answer.
func (c *Client) sendToken(l *link, token []byte) ([]byte, error) {
	c.mu.Lock()
	xid := c.nextXid()
	c.mu.Unlock()
	out := appendFrame(nil, xid, wire.OpSASL, func(b []byte) []byte { return jute.AppendBuffer(b, token) })
	if _, err := l.conn.Write(out); err != nil {
		return nil, err
	}
	h, body, err := readSASLAnswer(l)
	if err != nil {
		return nil, err
	}
	d := jute.NewDecoder(body)
	answer := d.Buffer()
	switch {
	case h.Xid != xid:
		return nil, fmt.Errorf("the server sent an answer, xid %d, to a SASL token of xid %d", h.Xid, xid)
	case h.Err == ErrAuthRequired:
		return nil, fmt.Errorf("%w: user %q or the password is wrong, and the server requires SASL", ErrAuthFailed, c.opt.login.user)
	case h.Err == ErrAuthFailed:
		return nil, fmt.Errorf("%w: user %q or the password is wrong", ErrAuthFailed, c.opt.login.user)
	case h.Err != wire.CodeOK:
		return nil, fmt.Errorf("the server refused a SASL token: %w", h.Err)
	case d.Err() != nil:
		return nil, fmt.Errorf("the server's answer to a SASL token is malformed: %w", d.Err())
	case answer == nil:
		return nil, fmt.Errorf("%w: the server does not offer SASL, or has refused user %q", ErrAuthFailed, c.opt.login.user)
	}
	return answer, nil
}

// maxSASLAnswer is above what a server's token takes.
const maxSASLAnswer = 64 << 10

// readSASLAnswer reads a frame before the connection's reader begins. The
// server has nothing else to send yet: no watch is set and no request sent.
func readSASLAnswer(l *link) (h wire.ReplyHeader, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the server closed the connection within the SASL exchange")
		}
		return h, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < wire.ReplyHeaderSize || n > maxSASLAnswer {
		return h, nil, fmt.Errorf("the server sent a frame of %d bytes for a SASL token, the limit is %d", n, maxSASLAnswer)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(l.in, frame); err != nil {
		return h, nil, err
	}
	d := jute.NewDecoder(frame)
	h.Decode(&d)
	return h, frame[wire.ReplyHeaderSize:], nil
}
