package zk

import (
	"bytes"
	"context"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// credential is an identity that the client proves on each connection.
type credential struct {
	scheme string
	auth   []byte
	proved bool         // on this connection
	wait   []chan error // callers of AddAuth, each of cap 1
}

func (a *credential) append(out []byte) []byte {
	a.proved = false
	p := wire.AuthPacket{Scheme: []byte(a.scheme), Auth: a.auth}
	return appendFrame(out, wire.XidAuth, wire.OpAuth, p.Append)
}

// answer tells those who wait for the credential.
func (a *credential) answer(err error) {
	a.proved = err == nil
	for _, w := range a.wait {
		w <- err
	}
	a.wait = nil
}

// AddAuth proves an identity to the servers, now and after each reconnect:
// scheme "digest" with "user:password", or another that they know. A refusal
// is ErrAuthFailed and ends the session, as it does with Apache's clients. If
// ctx ends first, the credential stays with the client all the same.
func (c *Client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	wait := make(chan error, 1)
	c.mu.Lock()
	if err := c.over; err != nil || c.closing {
		c.mu.Unlock()
		if err == nil {
			err = ErrClosed
		}
		return opError("addauth", "", err)
	}
	a := c.findAuth(scheme, auth)
	if a != nil && a.proved {
		c.mu.Unlock()
		return nil
	}
	if a == nil {
		a = &credential{scheme: scheme, auth: append([]byte(nil), auth...)}
		c.auths = append(c.auths, a)
		c.signal()
	}
	a.wait = append(a.wait, wait)
	c.mu.Unlock()
	select {
	case err := <-wait:
		if err == ErrAuthFailed {
			<-c.done // so that the end of the client is seen with its reason
		}
		return opError("addauth", "", err)
	case <-c.done:
		return opError("addauth", "", c.Err())
	case <-ctx.Done():
		return opError("addauth", "", ctx.Err())
	}
}

func (c *Client) findAuth(scheme string, auth []byte) *credential {
	for _, a := range c.auths {
		if a.scheme == scheme && bytes.Equal(a.auth, auth) {
			return a
		}
	}
	return nil
}

func (c *Client) takeAuths(out []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeAuthsLocked(out)
}

// takeAuthsLocked appends the credentials that this connection lacks; c.mu is held.
func (c *Client) takeAuthsLocked(out []byte) []byte {
	for _, a := range c.auths[c.authSent:] {
		out = a.append(out)
		c.authWait = append(c.authWait, a)
	}
	c.authSent = len(c.auths)
	return out
}

// authAnswered deals with the answer to the oldest credential sent. Any error
// but a refusal leaves the session alone, as in Apache's clients.
func (c *Client) authAnswered(h wire.ReplyHeader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.authWait) == 0 {
		return nil
	}
	a := c.authWait[0]
	c.authWait = c.authWait[1:]
	if h.Err == 0 {
		a.answer(nil)
		return nil
	}
	a.answer(h.Err)
	if h.Err == ErrAuthFailed {
		return ErrAuthFailed
	}
	return nil
}

// Identity is one identity of the session, see WhoAmI.
type Identity struct {
	Scheme string
	User   string // "" if the server has no user name for the scheme
	Named  bool   // User is not null
}

// WhoAmI returns the identities that the server has for this connection
// (servers from 3.7 on).
func (c *Client) WhoAmI(ctx context.Context) ([]Identity, error) {
	d, err := c.request(ctx, "whoami", "", c.newCall(wire.OpWhoAmI))
	if err != nil {
		return nil, err
	}
	var ids []Identity
	for n := d.Count(8); n > 0 && d.Err() == nil; n-- {
		id := Identity{Scheme: d.String()}
		user := d.Text()
		id.User, id.Named = string(user), user != nil
		ids = append(ids, id)
	}
	return ids, d.end("whoami", "")
}

// answer is a response record being read.
type answer struct{ jute.Decoder }

// end returns the failure to read the record, if there was one.
func (d *answer) end(op, path string) error {
	if d.Err() != nil {
		return opError(op, path, d.Err())
	}
	return nil
}
