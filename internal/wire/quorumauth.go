package wire

import (
	"errors"

	"zooid/internal/jute"
)

// QuorumAuthMagic is how a packet of the authentication between servers starts.
// As a length of a message or a type of a packet it is out of range
// (QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER).
const QuorumAuthMagic int64 = 0x5f2435013501edcc

// AuthStatus is how far the authentication between two servers is, by the
// numbers of its packets.
type AuthStatus int32

// The states of QuorumAuth.Status.
const (
	AuthInProgress AuthStatus = 0
	AuthSuccess    AuthStatus = 1
	AuthError      AuthStatus = -1
)

// String returns the name of the state in Apache's source, or "unknown N".
func (s AuthStatus) String() string {
	switch s {
	case AuthInProgress:
		return "IN_PROGRESS"
	case AuthSuccess:
		return "SUCCESS"
	case AuthError:
		return "ERROR"
	}
	return "unknown " + itoa(int64(s))
}

// QuorumAuthHead is how many bytes stand before the token of a packet.
const QuorumAuthHead = 16

// ErrQuorumAuth says that bytes are no packet of the authentication between
// servers, or that its token is larger than allowed.
var ErrQuorumAuth = errors.New("wire: not a packet of quorum authentication")

// QuorumAuthPacket is one message of the SASL exchange between two servers
// (QuorumAuthPacket of Apache). Nothing stands before it on a connection, so
// that it is read in two parts: QuorumAuthHead bytes, and the token.
type QuorumAuthPacket struct {
	Status AuthStatus
	Token  []byte // nil is not the same as empty
}

// Append appends the packet.
func (p *QuorumAuthPacket) Append(b []byte) []byte {
	b = jute.AppendLong(b, QuorumAuthMagic)
	b = jute.AppendInt(b, int32(p.Status))
	return jute.AppendBuffer(b, p.Token)
}

// DecodeHead reads the first QuorumAuthHead bytes of a packet and returns how
// many bytes of token follow, -1 if it is nil. A token of more than limit bytes
// is ErrQuorumAuth, as is anything that is no such packet.
func (p *QuorumAuthPacket) DecodeHead(head []byte, limit int) (token int, err error) {
	d := jute.NewDecoder(head)
	magic, status, size := d.Long(), d.Int(), d.Int()
	if d.Err() != nil || magic != QuorumAuthMagic || size < -1 || int(size) > limit {
		return 0, ErrQuorumAuth
	}
	*p = QuorumAuthPacket{Status: AuthStatus(status)}
	return int(size), nil
}
