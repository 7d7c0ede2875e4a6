// Package sasl is the SASL of ZooKeeper: the mechanism DIGEST-MD5 of RFC 2831
// with quality of protection auth, both sides, as Java's and Cyrus' libraries
// speak it, and JAAS login files, in which Java's programs keep users and
// passwords.
//
// It stands beside auth at the foot of the core, for the client port, the
// ports between servers and the client library alike. It must never draw a
// random number, read a file or know of connections: nonces and texts are
// passed in, tokens come back.
package sasl

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"
)

// The protocols and server names of ZooKeeper's exchanges, which both sides
// know beforehand. The server name is the realm as well.
const (
	ClientProtocol   = "zookeeper"
	ClientServerName = "zk-sasl-md5"
	QuorumProtocol   = "zookeeper-quorum"
	QuorumServerName = "zk-quorum-sasl-md5"
)

const (
	// maxResponse and maxChallenge are the longest tokens that either side
	// reads, in bytes, as of RFC 2831 and of Java.
	maxResponse  = 4096
	maxChallenge = 2048
	// nonceCount is the only one that ever comes up: ZooKeeper does not use
	// subsequent authentication.
	nonceCount = "00000001"
)

// NonceBytes is how many random bytes a nonce is made of.
const NonceBytes = 30

// Nonce returns the text of a nonce made of random bytes, which must come from
// a source that nobody can foretell.
func Nonce(random []byte) []byte {
	return base64.StdEncoding.AppendEncode(nil, random)
}

// secret holds what the hashes of one exchange are over.
type secret struct {
	user, realm, password string
	nonce, cnonce         []byte
	authzid               []byte // nil if the client gave none
	uri                   []byte
}

// response is the hexadecimal response value of RFC 2831, 2.1.2.1. The method
// is AUTHENTICATE for the client's, empty for the server's rspauth.
func (s *secret) response(method string) []byte {
	login := md5.New()
	login.Write(legacy(s.user))
	login.Write([]byte{':'})
	login.Write(legacy(s.realm))
	login.Write([]byte{':'})
	login.Write(legacy(s.password))

	a1 := login.Sum(nil)
	a1 = append(append(a1, ':'), s.nonce...)
	a1 = append(append(a1, ':'), s.cnonce...)
	if s.authzid != nil {
		a1 = append(append(a1, ':'), s.authzid...)
	}
	a2 := append([]byte(method+":"), s.uri...)

	text := append(hexMD5(a1), ':')
	text = append(append(text, s.nonce...), ':')
	text = append(text, nonceCount+":"...)
	text = append(append(text, s.cnonce...), ":auth:"...)
	return hexMD5(append(text, hexMD5(a2)...))
}

func hexMD5(text []byte) []byte {
	sum := md5.Sum(text)
	return hex.AppendEncode(nil, sum[:])
}

// legacy encodes a user, realm or password for the hash: in ISO 8859-1 where
// all of it has a place there, otherwise in UTF-8 (RFC 2831, 2.1.2.1).
func legacy(text string) []byte {
	latin1 := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff || r == utf8.RuneError {
			return []byte(text)
		}
		latin1 = append(latin1, byte(r))
	}
	return latin1
}
