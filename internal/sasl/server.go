package sasl

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A DigestServer is the server's side of one exchange. It takes two steps: the
// empty token of the client for the challenge, then the response of the client
// for rspauth. Whatever comes after that, or after an error, is an error.
type DigestServer struct {
	uri      string // protocol/serverName
	realm    string
	password func(user string) (string, bool)
	nonce    []byte

	step            serverStep
	user, requested string
}

type serverStep int

const (
	atStart serverStep = iota
	atResponse
	atEnd
)

// NewDigestServer starts an exchange. The server name is the realm as well.
// The nonce is the text of Nonce; password answers the one of a user, false
// for users that there are not.
func NewDigestServer(protocol, serverName string, password func(user string) (string, bool), nonce []byte) *DigestServer {
	return &DigestServer{uri: protocol + "/" + serverName, realm: serverName, password: password, nonce: nonce}
}

// Step takes a token of the client and returns the answer to it. With done the
// client has proved to be AuthenticationID, and the answer is for it to see
// that the server knows the password too. An error ends the exchange, but one
// about a token's length, as with Java; it never holds a password or a hash.
func (s *DigestServer) Step(response []byte) (challenge []byte, done bool, err error) {
	switch at := s.step; {
	case len(response) > maxResponse:
		return nil, false, fmt.Errorf("DIGEST-MD5: a response of %d bytes is longer than %d", len(response), maxResponse)
	case at == atStart: // with an empty token, or with what Java's server does not look at
		s.step = atResponse
		return s.challenge(), false, nil
	case at == atResponse:
		s.step = atEnd
		rspauth, err := s.verify(response)
		if err != nil {
			return nil, false, fmt.Errorf("DIGEST-MD5: %w", err)
		}
		return rspauth, true, nil
	}
	return nil, false, errors.New("DIGEST-MD5: the exchange has ended, and a token came after that")
}

// Done reports whether the client has authenticated.
func (s *DigestServer) Done() bool { return s.user != "" }

// AuthenticationID is the user whose password the client has proved to know;
// "" unless Done.
func (s *DigestServer) AuthenticationID() string { return s.user }

// AuthorizationID is the user whom the client asked to act as, the
// AuthenticationID if it asked for none; "" unless Done. Whether that may be
// is the caller's decision.
func (s *DigestServer) AuthorizationID() string { return s.requested }

// challenge is the one that Java's server sends.
func (s *DigestServer) challenge() []byte {
	text := quoted(nil, "realm", []byte(s.realm))
	text = quoted(append(text, ','), "nonce", s.nonce)
	return append(text, ",charset=utf-8,algorithm=md5-sess"...)
}

func (s *DigestServer) verify(response []byte) (rspauth []byte, err error) {
	d, err := parseDirectives(response, false)
	if err != nil {
		return nil, err
	}
	user, err := d.need(dirUsername)
	if err != nil {
		return nil, err
	}
	if err := s.verifyTerms(d); err != nil {
		return nil, fmt.Errorf("user %s: %w", shown(user), err)
	}
	// The password comes last: what is wrong with a response must not tell who
	// has one.
	password, known := s.password(string(user))
	if !known {
		return nil, fmt.Errorf("user %s is not among those of the server", shown(user))
	}
	secret := secret{
		user: string(user), realm: s.realm, password: password,
		nonce: s.nonce, cnonce: d.value[dirCnonce], authzid: d.value[dirAuthzid], uri: d.value[dirURI],
	}
	if subtle.ConstantTimeCompare(secret.response("AUTHENTICATE"), d.value[dirResponse]) != 1 {
		return nil, fmt.Errorf("user %s: the password is not that of the server", shown(user))
	}
	s.user, s.requested = string(user), string(user)
	if d.value[dirAuthzid] != nil {
		s.requested = string(d.value[dirAuthzid])
	}
	return append([]byte("rspauth="), secret.response("")...), nil
}

// verifyTerms checks all of a response but user and password, in Java's order.
func (s *DigestServer) verifyTerms(d *directives) error {
	if charset := d.value[dirCharset]; charset != nil && string(charset) != "utf-8" {
		return fmt.Errorf("charset %s is not utf-8", shown(charset))
	}
	if maxbuf := d.value[dirMaxbuf]; maxbuf != nil && !isInt(maxbuf) {
		return fmt.Errorf("maxbuf %s is not a number", shown(maxbuf))
	}
	if string(d.value[dirRealm]) != s.realm {
		return fmt.Errorf("realm %s is not %q", shown(d.value[dirRealm]), s.realm)
	}
	nonce, err := d.need(dirNonce)
	if err != nil {
		return err
	}
	if !bytes.Equal(nonce, s.nonce) {
		return errors.New("nonce is not the one of the challenge")
	}
	if _, err := d.need(dirCnonce); err != nil {
		return err
	}
	if qop := d.value[dirQop]; qop != nil && string(qop) != "auth" {
		return fmt.Errorf("qop %s is not auth", shown(qop))
	}
	uri, err := d.need(dirURI)
	if err != nil {
		return err
	}
	if !strings.EqualFold(string(uri), s.uri) {
		return fmt.Errorf("digest-uri %s is not %q", shown(uri), s.uri)
	}
	_, err = d.need(dirResponse)
	return err
}

func isInt(text []byte) bool {
	_, err := strconv.ParseInt(string(text), 10, 32)
	return err == nil
}
