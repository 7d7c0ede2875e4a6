package auth

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"

	"zooid/internal/wire"
)

// Outcome says what an auth packet leads to.
type Outcome int

// The outcomes of Authenticate.
const (
	// Accepted: reply with error 0; the returned identities are added.
	Accepted Outcome = iota
	// Refused: reply AUTHFAILED, then close the connection.
	Refused
	// Closed: close the connection without a reply, so that the client tries
	// another server (the ensemble name does not match).
	Closed
	// NeedsCertificate: the scheme is x509. Accepted when the connection came
	// with a trusted client certificate, whose identities (X509IDs) it already
	// has; Refused otherwise.
	NeedsCertificate
)

// Authenticate decides on an auth packet of the given scheme and data; data is
// nil for a null buffer. Packets of one connection accumulate identities, each
// kept once.
func (p *Policy) Authenticate(scheme, data []byte) ([]wire.ID, Outcome) {
	s := p.provider(scheme)
	if s == nil || s.login == nil {
		return nil, Refused
	}
	return s.login(p, data)
}

// AddIDs returns ids with those of more that it lacks appended: the identities
// of a connection are a set.
func AddIDs(ids []wire.ID, more ...wire.ID) []wire.ID {
	for _, id := range more {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// SASLIDs returns the identities of a connection whose SASL exchange ended
// with the authorization id authzid.
func (p *Policy) SASLIDs(authzid string) []wire.ID {
	ids := []wire.ID{{Scheme: "sasl", ID: authzid}}
	if slices.Contains(p.SuperUsers, authzid) {
		ids = append(ids, wire.ID{Scheme: "super", ID: ""})
	}
	return ids
}

// X509IDs returns the identities of a connection with a trusted client
// certificate of the subject dn.
func (p *Policy) X509IDs(dn string) []wire.ID {
	id := wire.ID{Scheme: "x509", ID: dn}
	if p.X509SuperUser != "" && dn == p.X509SuperUser {
		return []wire.ID{{Scheme: "super", ID: dn}, id}
	}
	return []wire.ID{id}
}

// Algorithm is the hash of digest identities.
type Algorithm int

// The algorithms, in the names of Java's MessageDigest. The zero value is the
// default of ZooKeeper.
const (
	SHA1 Algorithm = iota
	MD5
	SHA224
	SHA256
	SHA384
	SHA512
	SHA512_224
	SHA512_256
	SHA3_224
	SHA3_256
	SHA3_384
	SHA3_512
)

var algorithmNames = map[string]Algorithm{
	"SHA": SHA1, "SHA1": SHA1, "SHA-1": SHA1, "MD5": MD5,
	"SHA224": SHA224, "SHA-224": SHA224, "SHA256": SHA256, "SHA-256": SHA256,
	"SHA384": SHA384, "SHA-384": SHA384, "SHA512": SHA512, "SHA-512": SHA512,
	"SHA512/224": SHA512_224, "SHA-512/224": SHA512_224,
	"SHA512/256": SHA512_256, "SHA-512/256": SHA512_256,
	"SHA3-224": SHA3_224, "SHA3-256": SHA3_256, "SHA3-384": SHA3_384, "SHA3-512": SHA3_512,
}

// ParseAlgorithm returns the algorithm of a MessageDigest name, in any case;
// false for one that is not known.
func ParseAlgorithm(name string) (Algorithm, bool) {
	a, ok := algorithmNames[strings.ToUpper(name)]
	return a, ok
}

func (a Algorithm) sum(data []byte) []byte {
	switch a {
	case MD5:
		s := md5.Sum(data)
		return s[:]
	case SHA224:
		s := sha256.Sum224(data)
		return s[:]
	case SHA256:
		s := sha256.Sum256(data)
		return s[:]
	case SHA384:
		s := sha512.Sum384(data)
		return s[:]
	case SHA512:
		s := sha512.Sum512(data)
		return s[:]
	case SHA512_224:
		s := sha512.Sum512_224(data)
		return s[:]
	case SHA512_256:
		s := sha512.Sum512_256(data)
		return s[:]
	case SHA3_224:
		s := sha3.Sum224(data)
		return s[:]
	case SHA3_256:
		s := sha3.Sum256(data)
		return s[:]
	case SHA3_384:
		s := sha3.Sum384(data)
		return s[:]
	case SHA3_512:
		s := sha3.Sum512(data)
		return s[:]
	}
	s := sha1.Sum(data)
	return s[:]
}

// Digest returns the id that the scheme digest stores for user:password, the
// hash being over the whole text: user:base64(hash).
func Digest(a Algorithm, userPassword string) string {
	user, _, _ := strings.Cut(userPassword, ":")
	return user + ":" + base64.StdEncoding.EncodeToString(a.sum([]byte(userPassword)))
}

func loginDigest(p *Policy, data []byte) ([]wire.ID, Outcome) {
	if data == nil {
		return nil, Refused
	}
	id := wire.ID{Scheme: "digest", ID: Digest(p.DigestAlg, wire.JavaText(data))}
	if p.SuperDigest != "" && id.ID == p.SuperDigest {
		return []wire.ID{{Scheme: "super", ID: ""}, id}, Accepted
	}
	return []wire.ID{id}, Accepted
}

func loginEnsemble(p *Policy, data []byte) ([]wire.ID, Outcome) {
	if len(data) == 0 || p.EnsembleNamesNotSet || slices.Contains(p.EnsembleNames, wire.JavaText(data)) {
		return nil, Accepted
	}
	return nil, Closed
}
