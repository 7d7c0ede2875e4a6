package auth

import (
	"bytes"
	"strings"
)

func sameID(_ *Policy, id string, entry []byte) bool { return id == string(entry) }

// validDigest accepts what splits in two at colons, where Java's split drops
// empty parts at the end: "a:b" and "a:b:", but neither "a:" nor "a:b:c".
func validDigest(id []byte) bool {
	id = bytes.TrimRight(id, ":")
	return bytes.Count(id, []byte(":")) == 1
}

func digestUser(id string) string {
	user, _, _ := strings.Cut(id, ":")
	return user
}

// matchSASL knows two wide doors: the connection id super matches every sasl
// entry, and the entry named by letAnySaslUserDoX matches every SASL user.
func matchSASL(p *Policy, id string, entry []byte) bool {
	return id == "super" || id == string(entry) ||
		p.LetAnySaslUserDoX != "" && p.LetAnySaslUserDoX == string(entry)
}

// validPrincipal accepts the names that Java's KerberosName takes: anything
// without an @, or primary[/instance]@realm with no further / or @.
func validPrincipal(id []byte) bool {
	name, realm, ok := bytes.Cut(id, []byte("@"))
	if !ok {
		return true
	}
	return !bytes.ContainsAny(realm, "/@") && bytes.Count(name, []byte("/")) <= 1
}

func matchX509(p *Policy, id string, entry []byte) bool {
	return p.X509SuperUser != "" && id == p.X509SuperUser || id == string(entry)
}

// validDN accepts what reads as a distinguished name of RFC 2253: parts of
// type=value divided by , or ; or +, each type a word or a dotted number.
// Java's X500Principal also knows which words are types; an unknown word is
// accepted here, and matches nobody.
func validDN(id []byte) bool {
	if len(bytes.TrimSpace(id)) == 0 {
		return true
	}
	start, quoted := 0, false
	for i := 0; i <= len(id); i++ {
		switch {
		case i == len(id) || !quoted && strings.IndexByte(",;+", id[i]) >= 0:
			if quoted || !validRDN(id[start:i]) {
				return false
			}
			start = i + 1
		case id[i] == '\\':
			if i++; i == len(id) {
				return false
			}
		case id[i] == '"':
			quoted = !quoted
		}
	}
	return true
}

func validRDN(part []byte) bool {
	typ, _, ok := bytes.Cut(part, []byte("="))
	typ = bytes.TrimSpace(typ)
	if !ok || len(typ) == 0 {
		return false
	}
	for _, c := range typ {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == ' ', c == '_':
		default:
			return false
		}
	}
	return true
}
