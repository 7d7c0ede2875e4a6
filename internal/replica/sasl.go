package replica

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/wire"
)

// SASL is what a server needs to authenticate clients with DIGEST-MD5.
type SASL struct {
	// Password answers the password of a user, false for one that there is not.
	Password func(user string) (string, bool)
	// Secret is random and nobody else's: the nonces of challenges are made of
	// it, so that they come from one seed and cannot be foretold.
	Secret [32]byte
	// KeepFailed goes on with a connection whose exchange has failed
	// (zookeeper.allowSaslFailedClients), unless SASL is required.
	KeepFailed bool
}

// Login is a SASL exchange that has ended, for the server's log.
type Login struct {
	Conn    ConnID
	Session int64  // 0: none yet
	User    string // "" if it failed
	Why     string // that it failed, without passwords
}

// sasl takes a SASL token and answers it at once, past requests that wait, as
// Apache's server does (ZooKeeperServer.processSasl). A server without SASL
// answers with a null token, after which the client goes on unauthenticated.
func (r *Replica) sasl(c *conn, h wire.RequestHeader, d *jute.Decoder) {
	token := d.Buffer()
	if d.Err() != nil || token == nil {
		r.close(c, "undecodable SASL packet")
		return
	}
	c.answered++
	if r.cfg.SASL == nil {
		r.saslReply(c, h.Xid, wire.CodeOK, nil)
		return
	}
	if c.login == nil {
		c.login = sasl.NewDigestServer(sasl.ClientProtocol, sasl.ClientServerName, r.cfg.SASL.Password, r.nonce())
	}
	answer, done, err := c.login.Step(token)
	if err != nil {
		r.saslFailed(c, h.Xid, err.Error())
		return
	}
	if done {
		all := auth.AddIDs(c.ids, r.cfg.Auth.SASLIDs(c.login.AuthenticationID())...)
		if r.tooMany(all) {
			r.saslFailed(c, h.Xid, "the connection has too many identities")
			return
		}
		c.ids = all
		r.loggedIn(c, c.login.AuthenticationID(), "")
	}
	r.saslReply(c, h.Xid, wire.CodeOK, answer)
}

func (r *Replica) saslFailed(c *conn, xid int32, why string) {
	r.stats.AuthFailed++
	r.loggedIn(c, "", why)
	required := slices.Contains(r.cfg.EnforceAuth, "sasl")
	if r.cfg.SASL.KeepFailed && !required {
		r.saslReply(c, xid, wire.CodeOK, nil)
		return
	}
	code := wire.CodeAuthFailed
	if required {
		code = wire.CodeSessionClosedRequireSASLAuth
	}
	r.saslReply(c, xid, code, nil)
	r.close(c, "SASL authentication failed")
}

func (r *Replica) saslReply(c *conn, xid int32, code wire.Code, token []byte) {
	start := r.beginReply(c)
	c.out = (&wire.ReplyHeader{Xid: xid, Err: code}).Append(c.out)
	c.out = jute.AppendBuffer(c.out, token)
	r.endReply(c, start)
}

func (r *Replica) loggedIn(c *conn, user, why string) {
	l := Login{Conn: c.id, User: user, Why: why}
	if c.sess != nil {
		l.Session = c.sess.id
	}
	r.fx.Logins = append(r.fx.Logins, l)
}

// nonce makes the next one.
func (r *Replica) nonce() []byte {
	r.nonces++
	sum := hmac.New(sha256.New, r.cfg.SASL.Secret[:])
	sum.Write(binary.BigEndian.AppendUint64(nil, r.nonces))
	return sasl.Nonce(sum.Sum(nil)[:sasl.NonceBytes])
}
