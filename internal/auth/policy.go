// Package auth decides who may do what to a znode: it checks encoded ACL
// vectors against the identities of a connection, corrects the vectors that
// clients send, and turns the data of an auth packet into identities.
//
// It stands beside the tree under the core: prep asks it before every write,
// the read path before every read, and the delivery of watches before every
// event. ACLs stay in their encoded form; a check walks the bytes and
// allocates nothing. The package must never hold state of a connection, do
// I/O, or look at a znode: it gets the vector and the identities and answers.
//
// The rules are those of ZooKeeperServer.checkACL, PrepRequestProcessor.fixupACL
// and the providers below org.apache.zookeeper.server.auth. The providers are a
// table made at compile time, where Java loads classes by name.
package auth

import (
	"bytes"
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Policy holds the options that steer the schemes. The zero value knows world,
// auth and ip; DigestEnabled is true in ZooKeeper's own defaults. A policy does
// not change once in use and may be read from any goroutine.
type Policy struct {
	SkipACL bool // zookeeper.skipACL: every check passes

	DigestEnabled bool      // zookeeper.DigestAuthenticationProvider.enabled
	DigestAlg     Algorithm // zookeeper.DigestAuthenticationProvider.digestAlg
	SuperDigest   string    // zookeeper.DigestAuthenticationProvider.superDigest; "" = no super user

	SASL                bool     // the SASL provider is registered (zookeeper.authProvider.N)
	LetAnySaslUserDoX   string   // zookeeper.letAnySaslUserDoX; "" = nobody
	SuperUsers          []string // values of zookeeper.superUser and zookeeper.superUser.*
	X509                bool     // the X.509 provider is registered (a secure client port is)
	X509SuperUser       string   // zookeeper.X509AuthenticationProvider.superUser; "" = nobody
	Ensemble            bool     // the ensemble provider is registered (zookeeper.authProvider.N)
	EnsembleNames       []string // zookeeper.ensembleAuthName, split and trimmed
	EnsembleNamesNotSet bool     // the option is absent: every name is accepted
}

// scheme is one row of the table of providers.
type scheme struct {
	name string
	// on reports whether the provider is registered under the policy.
	on func(*Policy) bool
	// authenticated reports whether an identity of this scheme expands auth:.
	authenticated bool
	// valid checks the syntax of an id in an ACL; nil refuses every id.
	valid func(id []byte) bool
	// matches reports whether the connection's id satisfies the entry's; nil
	// matches nothing.
	matches func(p *Policy, id string, entry []byte) bool
	// user is the name that whoAmI shows; nil shows the id.
	user func(id string) string
	// login turns the data of an auth packet into identities; nil refuses.
	login func(p *Policy, data []byte) ([]wire.ID, Outcome)
}

// schemes is the table of providers. The scheme world and auth are no
// providers: checks and Fixup know them by name, and an auth packet that names
// them is refused. The scheme super exists only as an identity.
var schemes = [...]scheme{
	{
		name: "ip", on: func(*Policy) bool { return true },
		valid: validIP, matches: func(_ *Policy, id string, entry []byte) bool { return matchIP(id, entry) },
		login: func(*Policy, []byte) ([]wire.ID, Outcome) { return nil, Accepted },
	},
	{
		name: "digest", on: func(p *Policy) bool { return p.DigestEnabled },
		authenticated: true, valid: validDigest, matches: sameID, user: digestUser, login: loginDigest,
	},
	{
		name: "sasl", on: func(p *Policy) bool { return p.SASL },
		authenticated: true, valid: validPrincipal, matches: matchSASL,
	},
	{
		name: "x509", on: func(p *Policy) bool { return p.X509 },
		authenticated: true, valid: validDN, matches: matchX509,
		login: func(*Policy, []byte) ([]wire.ID, Outcome) { return nil, NeedsCertificate },
	},
	{
		name: "ensemble", on: func(p *Policy) bool { return p.Ensemble },
		login: loginEnsemble,
	},
}

// provider returns the registered provider of a scheme, or nil.
func (p *Policy) provider(name []byte) *scheme {
	for i := range schemes {
		if s := &schemes[i]; s.name == string(name) && s.on(p) {
			return s
		}
	}
	return nil
}

func (p *Policy) providerOf(name string) *scheme {
	for i := range schemes {
		if s := &schemes[i]; s.name == name && s.on(p) {
			return s
		}
	}
	return nil
}

// Check reports whether a connection with the identities ids may do to a node
// with the encoded ACL vector rawACL what the permission bits need ask for; one
// common bit is enough. A null or empty vector allows everything, and so does
// an identity of the scheme super. It allocates nothing.
func (p *Policy) Check(rawACL []byte, need int32, ids []wire.ID) bool {
	if p.SkipACL || len(rawACL) == len(wire.OpenACL) && bytes.Equal(rawACL, wire.OpenACL) && need&wire.PermAll != 0 {
		return true
	}
	d := jute.NewDecoder(rawACL)
	n := d.Count(minEntry)
	if n <= 0 {
		return d.Err() == nil
	}
	for i := range ids {
		if ids[i].Scheme == "super" {
			return true
		}
	}
	for ; n > 0; n-- {
		a := wire.NextACL(&d)
		if d.Err() != nil {
			return false
		}
		if a.Perms&need != 0 && p.entryMatches(&a, ids) {
			return true
		}
	}
	return false
}

// minEntry is the encoded size of the smallest ACL entry.
const minEntry = 12

func (p *Policy) entryMatches(a *wire.ACLView, ids []wire.ID) bool {
	if string(a.Scheme) == "world" && string(a.ID) == "anyone" {
		return true
	}
	s := p.provider(a.Scheme)
	if s == nil || s.matches == nil {
		return false
	}
	for i := range ids {
		if ids[i].Scheme == s.name && s.matches(p, ids[i].ID, a.ID) {
			return true
		}
	}
	return false
}

// UserName returns the name that whoAmI shows for an identity; false when its
// scheme has no provider, as for super.
func (p *Policy) UserName(id wire.ID) (string, bool) {
	s := p.providerOf(id.Scheme)
	if s == nil {
		return "", false
	}
	if s.user == nil {
		return id.ID, true
	}
	return s.user(id.ID), true
}

// MaskDigests returns the encoded vector with the hashed passwords of digest
// entries replaced by x, as getACL shows it to those without ADMIN. A vector
// without digest entries is returned as it is.
func MaskDigests(rawACL []byte) []byte {
	acls, err := wire.DecodeACLs(rawACL)
	if err != nil {
		return rawACL
	}
	masked := false
	for i := range acls {
		if acls[i].ID.Scheme != "digest" {
			continue
		}
		if user, _, ok := strings.Cut(acls[i].ID.ID, ":"); ok {
			acls[i].ID.ID = user + ":x"
			masked = true
		}
	}
	if !masked {
		return rawACL
	}
	return wire.AppendACLs(nil, acls)
}
