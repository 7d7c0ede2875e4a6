package quorumport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"zooid/internal/wire"
)

// SASL says how servers authenticate themselves to each other; the names of the
// options of zoo.cfg stand in the comments.
type SASL struct {
	// Learner makes the dialling side of one connection; nil = a server does not
	// authenticate itself where it dials (quorum.auth.learnerRequireSasl).
	Learner func() (Mechanism, error)
	// Server makes the accepting side of one connection.
	Server func() (Mechanism, error)
	// Required refuses accepted connections that do not authenticate themselves
	// (quorum.auth.serverRequireSasl).
	Required bool
}

// Mechanism is one side of one exchange of a SASL mechanism.
type Mechanism interface {
	// Step takes what the other side sent and returns what it is to be sent;
	// done says that this side is satisfied. An error ends the exchange.
	Step(in []byte) (out []byte, done bool, err error)
}

const (
	// maxSASLToken bounds what one packet of the exchange carries; the tokens of
	// DIGEST-MD5 have at most 4096 bytes (RFC 2831).
	maxSASLToken = 4096
	// maxSASLRounds is how often the accepting side asks once more
	// (SaslQuorumAuthServer.MAX_RETRIES).
	maxSASLRounds = 5
)

var (
	errNoSASL = errors.New("it does not authenticate itself, which quorum.auth.serverRequireSasl=true asks for")
	// errSASLRefused says that the other side did not prove who it is.
	errSASLRefused = errors.New("SASL authentication failed")
)

// admitted is what became of the authentication of an accepted connection.
type admitted struct {
	user string
	// failed says that it failed, and that the connection may stay all the same
	// since none is required.
	failed error
}

// admit authenticates the server at the other side of an accepted connection,
// at a place of the stream where a packet of the exchange may stand
// (SaslQuorumAuthServer.authenticate). The deadline is the caller's.
func (s *Security) admit(nc net.Conn, in *bufio.Reader) (a admitted, err error) {
	if s == nil || s.SASL == nil {
		return a, nil
	}
	head, err := in.Peek(8)
	switch {
	case err != nil && s.SASL.Required && len(head) > 0:
		return a, fmt.Errorf("%w: %w", errNoSASL, err)
	case err != nil && s.SASL.Required:
		return a, err
	case err != nil || int64(binary.BigEndian.Uint64(head)) != wire.QuorumAuthMagic:
		if s.SASL.Required {
			return a, errNoSASL
		}
		return a, nil
	}
	m, err := s.SASL.Server()
	if err != nil {
		return a, err
	}
	if err := challenge(nc, in, m); err != nil {
		_ = sendAuth(nc, wire.AuthError, []byte{})
		if errors.Is(err, errSASLRefused) && !s.SASL.Required {
			return admitted{failed: err}, nil
		}
		return a, err
	}
	if named, ok := m.(interface{ AuthorizationID() string }); ok {
		a.user = named.AuthorizationID()
	}
	return a, nil
}

// challenge is the exchange at the accepting side.
func challenge(nc net.Conn, in io.Reader, m Mechanism) error {
	for round := 0; ; round++ {
		status, token, err := receiveAuth(in)
		if err != nil {
			return err
		}
		if status == wire.AuthError {
			return fmt.Errorf("%w: the other side gave up", errSASLRefused)
		}
		out, done, err := m.Step(token)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errSASLRefused, err)
		case done:
			return sendAuth(nc, wire.AuthSuccess, out)
		case round == maxSASLRounds:
			return fmt.Errorf("%w: not done after %d rounds", errSASLRefused, round)
		}
		if err := sendAuth(nc, wire.AuthInProgress, out); err != nil {
			return err
		}
	}
}

// login authenticates this server on a connection that it dialled, and the
// other side with it, as far as the mechanism does that
// (SaslQuorumAuthLearner.authenticate). It reads no byte more than the packets
// of the exchange. The connection is the caller's to close.
func (s *Security) login(nc net.Conn, in io.Reader, within time.Duration) error {
	if s == nil || s.SASL == nil || s.SASL.Learner == nil {
		return nil
	}
	m, err := s.SASL.Learner()
	if err != nil {
		return err
	}
	nc.SetDeadline(time.Now().Add(within))
	defer nc.SetDeadline(time.Time{})
	if err := respond(nc, in, m); err != nil {
		return fmt.Errorf("%v: %w", nc.RemoteAddr(), err)
	}
	return nil
}

// respond is the exchange at the dialling side. The accepting side speaks first,
// once it is greeted with an empty token.
func respond(nc net.Conn, in io.Reader, m Mechanism) error {
	if err := sendAuth(nc, wire.AuthInProgress, []byte{}); err != nil {
		return err
	}
	for round := 0; ; round++ {
		status, token, err := receiveAuth(in)
		if err == io.EOF {
			err = fmt.Errorf("%w: closed by the other side, where quorum.auth.enableSasl=true may be missing", errSASLRefused)
		}
		switch {
		case err != nil:
			return err
		case status != wire.AuthInProgress && status != wire.AuthSuccess:
			return fmt.Errorf("%w: the other side refuses user or password of the JAAS file, or does not offer the mechanism (status %v)",
				errSASLRefused, status)
		case token == nil:
			return fmt.Errorf("%w: the other side sent no token", errSASLRefused)
		case round > maxSASLRounds:
			return fmt.Errorf("%w: not done after %d rounds", errSASLRefused, round)
		}
		out, done, err := m.Step(token)
		if err != nil {
			return fmt.Errorf("%w: %w", errSASLRefused, err)
		}
		if status == wire.AuthSuccess {
			if !done || len(out) > 0 {
				return fmt.Errorf("%w: the other side is satisfied too early", errSASLRefused)
			}
			return nil
		}
		if err := sendAuth(nc, wire.AuthInProgress, out); err != nil {
			return err
		}
	}
}

func sendAuth(nc net.Conn, status wire.AuthStatus, token []byte) error {
	_, err := nc.Write((&wire.QuorumAuthPacket{Status: status, Token: token}).Append(nil))
	return err
}

// receiveAuth reads one packet of the exchange. io.EOF means that none came at
// all.
func receiveAuth(in io.Reader) (wire.AuthStatus, []byte, error) {
	var head [wire.QuorumAuthHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	var p wire.QuorumAuthPacket
	n, err := p.DecodeHead(head[:], maxSASLToken)
	if err != nil {
		return 0, nil, err
	}
	if n < 0 {
		return p.Status, nil, nil
	}
	token := make([]byte, n)
	if _, err := io.ReadFull(in, token); err != nil {
		return 0, nil, noEnd(err)
	}
	return p.Status, token, nil
}
