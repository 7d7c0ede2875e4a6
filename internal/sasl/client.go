package sasl

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

// A DigestClient is the client's side of one exchange. The client begins with
// an empty token; each answer of the server goes through Step.
type DigestClient struct {
	protocol, serverName string
	user, password       string
	cnonce               []byte

	step   clientStep
	secret secret
}

type clientStep int

const (
	atChallenge clientStep = iota
	atRspauth
	clientEnd
)

// NewDigestClient starts an exchange as user, who asks to act as itself. The
// cnonce is the text of Nonce.
func NewDigestClient(protocol, serverName, user, password string, cnonce []byte) *DigestClient {
	return &DigestClient{protocol: protocol, serverName: serverName, user: user, password: password, cnonce: cnonce}
}

// Step takes an answer of the server and returns the token to send. With done
// nothing is to be sent any more: the server has proved that it knows the
// password. An error ends the exchange; it never holds a password or a hash.
func (c *DigestClient) Step(challenge []byte) (response []byte, done bool, err error) {
	at := c.step
	c.step = clientEnd
	switch {
	case at == clientEnd:
		return nil, false, errors.New("DIGEST-MD5: the exchange has ended, and a token came after that")
	case len(challenge) > maxChallenge:
		return nil, false, fmt.Errorf("DIGEST-MD5: a challenge of %d bytes is longer than %d", len(challenge), maxChallenge)
	case at == atChallenge:
		if response, err = c.respond(challenge); err != nil {
			return nil, false, fmt.Errorf("DIGEST-MD5: the server's challenge: %w", err)
		}
		c.step = atRspauth
		return response, false, nil
	}
	if err := c.verify(challenge); err != nil {
		return nil, false, fmt.Errorf("DIGEST-MD5: the server's last token: %w", err)
	}
	return nil, true, nil
}

func (c *DigestClient) respond(challenge []byte) ([]byte, error) {
	d, err := parseDirectives(challenge, true)
	if err != nil {
		return nil, err
	}
	if charset := d.value[dirCharset]; charset != nil && string(charset) != "utf-8" {
		return nil, fmt.Errorf("charset %s is not utf-8", shown(charset))
	}
	algorithm, err := d.need(dirAlgorithm)
	if err != nil {
		return nil, err
	}
	if string(algorithm) != "md5-sess" {
		return nil, fmt.Errorf("algorithm %s is not md5-sess", shown(algorithm))
	}
	nonce, err := d.need(dirNonce)
	if err != nil {
		return nil, err
	}
	if qop := d.value[dirQop]; qop != nil && !offersAuth(qop) {
		return nil, fmt.Errorf("qop %s has no auth", shown(qop))
	}
	if maxbuf := d.value[dirMaxbuf]; maxbuf != nil && !isInt(maxbuf) {
		return nil, fmt.Errorf("maxbuf %s is not a number", shown(maxbuf))
	}
	c.secret = secret{
		user: c.user, realm: c.realm(d.realms), password: c.password,
		nonce: nonce, cnonce: c.cnonce, authzid: []byte(c.user), uri: []byte(c.protocol + "/" + c.serverName),
	}
	return c.message(d.value[dirCharset] != nil), nil
}

// realm chooses among those that the server offers.
func (c *DigestClient) realm(offered [][]byte) string {
	own := slices.ContainsFunc(offered, func(r []byte) bool { return string(r) == c.serverName })
	if own || len(offered) == 0 {
		return c.serverName
	}
	return string(offered[0])
}

// message puts the directives in Java's order.
func (c *DigestClient) message(charset bool) []byte {
	var text []byte
	if charset {
		text = append(text, "charset=utf-8,"...)
	}
	text = append(quoted(text, "username", []byte(c.user)), ',')
	text = append(quoted(text, "realm", []byte(c.secret.realm)), ',')
	text = append(quoted(text, "nonce", c.secret.nonce), ",nc="+nonceCount+","...)
	text = append(quoted(text, "cnonce", c.cnonce), ',')
	text = append(quoted(text, "digest-uri", c.secret.uri), ",maxbuf=65536,response="...)
	text = append(append(text, c.secret.response("AUTHENTICATE")...), ",qop=auth,"...)
	return quoted(text, "authzid", c.secret.authzid)
}

func (c *DigestClient) verify(last []byte) error {
	d, err := parseDirectives(last, false)
	if err != nil {
		return err
	}
	rspauth, err := d.need(dirRspauth)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(rspauth, c.secret.response("")) != 1 {
		return errors.New("rspauth is wrong: the server does not know the password")
	}
	return nil
}

// offersAuth looks for auth in a list like "auth,auth-int".
func offersAuth(qop []byte) bool {
	return slices.ContainsFunc(bytes.Split(qop, []byte(",")), func(one []byte) bool {
		return string(bytes.TrimSpace(one)) == "auth"
	})
}
