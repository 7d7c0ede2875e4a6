package auth

import (
	"bytes"
	"net/netip"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// The ids below are what Apache's DigestAuthenticationProvider prints.
const digestOfSuper = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="

var usual = Policy{DigestEnabled: true, EnsembleNamesNotSet: true}

func raw(acls ...wire.ACL) []byte { return wire.AppendACLs(nil, acls) }

func acl(perms int32, scheme, id string) wire.ACL {
	return wire.ACL{Perms: perms, ID: wire.ID{Scheme: scheme, ID: id}}
}

func TestDigest(t *testing.T) {
	for _, c := range []struct {
		alg      Algorithm
		in, want string
	}{
		{SHA1, "super:test", digestOfSuper},
		{SHA1, "user1:password", "user1:CGujN0OWj2wmttV5NJgM2ja68PQ="},
		{SHA256, "super:test", "super:wjySwxg860UATFtciuZ1lpzrCHrPeov6SPu/ZD56uig="},
		{SHA1, "nocolon", "nocolon:Ra+cHr2ZoHvBjtNArFGNGlVie4g="},
	} {
		got := Digest(c.alg, c.in)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
		if user := digestUser(got); !bytes.HasPrefix([]byte(c.in), []byte(user)) {
			t.Errorf("%s: user %s", c.in, user)
		}
	}
}

func TestCheck(t *testing.T) {
	ab := wire.ID{Scheme: "digest", ID: Digest(SHA1, "a:b")}
	ip := wire.ID{Scheme: "ip", ID: "10.1.2.3"}
	sasl := usual
	sasl.SASL, sasl.LetAnySaslUserDoX = true, "anyuser"
	x509 := usual
	x509.X509, x509.X509SuperUser = true, "CN=root"
	skip := usual
	skip.SkipACL = true
	for _, c := range []struct {
		name string
		p    *Policy
		acl  []byte
		need int32
		ids  []wire.ID
		want bool
	}{
		{"open", &usual, wire.OpenACL, wire.PermWrite, nil, true},
		{"null vector", &usual, wire.AppendACLs(nil, nil), wire.PermWrite, nil, true},
		{"empty vector", &usual, jute.AppendInt(nil, 0), wire.PermWrite, nil, true},
		{"read only", &usual, raw(acl(1, "world", "anyone")), wire.PermWrite, nil, false},
		{"one common bit", &usual, raw(acl(1, "world", "anyone")), wire.PermRead | wire.PermAdmin, nil, true},
		{"world of another name", &usual, raw(acl(31, "world", "me")), wire.PermRead, nil, false},
		{"super", &usual, raw(acl(1, "world", "anyone")), wire.PermWrite, []wire.ID{{Scheme: "super"}}, true},
		{"skip", &skip, raw(acl(1, "world", "anyone")), wire.PermWrite, nil, true},
		{"digest", &usual, raw(acl(31, "digest", ab.ID)), wire.PermWrite, []wire.ID{ip, ab}, true},
		{"digest of another", &usual, raw(acl(31, "digest", "a:x")), wire.PermWrite, []wire.ID{ip, ab}, false},
		{"digest removed", &Policy{}, raw(acl(31, "digest", ab.ID)), wire.PermWrite, []wire.ID{ab}, false},
		{"ip", &usual, raw(acl(31, "ip", "10.0.0.0/8")), wire.PermRead, []wire.ID{ip}, true},
		{"second entry", &usual, raw(acl(1, "world", "anyone"), acl(2, "ip", "10.1.2.3")), 2, []wire.ID{ip}, true},
		{"sasl not registered", &usual, raw(acl(31, "sasl", "bob")), 1, []wire.ID{{Scheme: "sasl", ID: "bob"}}, false},
		{"sasl", &sasl, raw(acl(31, "sasl", "bob")), 1, []wire.ID{{Scheme: "sasl", ID: "bob"}}, true},
		{"sasl super", &sasl, raw(acl(31, "sasl", "bob")), 1, []wire.ID{{Scheme: "sasl", ID: "super"}}, true},
		{"sasl any user", &sasl, raw(acl(31, "sasl", "anyuser")), 1, []wire.ID{{Scheme: "sasl", ID: "x"}}, true},
		{"x509", &x509, raw(acl(31, "x509", "CN=a")), 1, []wire.ID{{Scheme: "x509", ID: "CN=a"}}, true},
		{"x509 super", &x509, raw(acl(31, "x509", "CN=a")), 1, []wire.ID{{Scheme: "x509", ID: "CN=root"}}, true},
		{"x509 other", &x509, raw(acl(31, "x509", "CN=a")), 1, []wire.ID{{Scheme: "x509", ID: "CN=b"}}, false},
		{"no permission", &usual, raw(acl(0, "world", "anyone")), 1, nil, false},
	} {
		if got := c.p.Check(c.acl, c.need, c.ids); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestFixup(t *testing.T) {
	ab := wire.ID{Scheme: "digest", ID: "a:b"}
	ip := wire.ID{Scheme: "ip", ID: "10.1.2.3"}
	nullID := jute.AppendInt(nil, 1)
	nullID = jute.AppendInt(nullID, 31)
	nullID = jute.AppendString(nullID, "digest")
	nullID = jute.AppendText(nullID, nil)
	nullScheme := jute.AppendInt(jute.AppendInt(nil, 1), 31)
	nullScheme = jute.AppendString(jute.AppendText(nullScheme, nil), "anyone")
	for _, c := range []struct {
		name string
		in   []byte
		ids  []wire.ID
		want []byte
		code wire.Code
	}{
		{"open", wire.OpenACL, nil, wire.OpenACL, 0},
		{"null", wire.AppendACLs(nil, nil), nil, nil, wire.CodeInvalidACL},
		{"empty", jute.AppendInt(nil, 0), nil, nil, wire.CodeInvalidACL},
		{"world of another name", raw(acl(31, "world", "me")), nil, nil, wire.CodeInvalidACL},
		{"unknown scheme", raw(acl(31, "nobody", "me")), nil, nil, wire.CodeInvalidACL},
		{"super is no scheme", raw(acl(31, "super", "")), nil, nil, wire.CodeInvalidACL},
		{"null scheme", nullScheme, nil, nil, wire.CodeInvalidACL},
		{"null id", nullID, nil, nil, wire.CodeMarshallingError},
		{"duplicates", raw(acl(31, "ip", "::1"), acl(1, "digest", "a:b"), acl(31, "ip", "::1")), nil,
			raw(acl(31, "ip", "::1"), acl(1, "digest", "a:b")), 0},
		{"auth", raw(acl(5, "auth", "x")), []wire.ID{ip, ab}, raw(acl(5, "digest", "a:b")), 0},
		{"auth without authentication", raw(acl(5, "auth", "")), []wire.ID{ip}, nil, wire.CodeInvalidACL},
		{"auth among others", raw(acl(1, "world", "anyone"), acl(5, "auth", ""), acl(5, "digest", "a:b")), []wire.ID{ab},
			raw(acl(1, "world", "anyone"), acl(5, "digest", "a:b"), acl(5, "digest", "a:b")), 0},
		{"unknown bits stay", raw(acl(-1, "world", "anyone")), nil, raw(acl(-1, "world", "anyone")), 0},
		{"digest without a password", raw(acl(31, "digest", "a:")), nil, nil, wire.CodeInvalidACL},
		{"sasl not registered", raw(acl(31, "sasl", "bob")), nil, nil, wire.CodeInvalidACL},
	} {
		got, code := usual.Fixup(c.in, c.ids, 0)
		if code != c.code || !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x %v, want % x %v", c.name, got, code, c.want, c.code)
		}
	}
}

func TestIDSyntax(t *testing.T) {
	for _, c := range []struct {
		kind  string
		valid func([]byte) bool
		id    string
		want  bool
	}{
		{"digest", validDigest, "a:b", true},
		{"digest", validDigest, ":b", true},
		{"digest", validDigest, "a:b::", true},
		{"digest", validDigest, "a:", false},
		{"digest", validDigest, "a:b:c", false},
		{"digest", validDigest, "", false},
		{"digest", validDigest, ":", false},
		{"ip", validIP, "1.2.3.4", true},
		{"ip", validIP, "1.2.3.4/0", true},
		{"ip", validIP, "1.2.3.4/33", false},
		{"ip", validIP, "1.2.3.4/", false},
		{"ip", validIP, "1.2.3.4/8/8", false},
		{"ip", validIP, "+1.002.3.4", true},
		{"ip", validIP, "1.2.3", false},
		{"ip", validIP, "1.2.3.4.5", false},
		{"ip", validIP, "1.2.3.256", false},
		{"ip", validIP, "1.2.3.-1", false},
		{"ip", validIP, "localhost", false},
		{"ip", validIP, "::1", true},
		{"ip", validIP, "::", true},
		{"ip", validIP, "1::", true},
		{"ip", validIP, "1:2:3:4:5:6:7:8/128", true},
		{"ip", validIP, "1:2:3:4:5:6:7:8/129", false},
		{"ip", validIP, "1:2:3:4:5:6:7", false},
		{"ip", validIP, "1:2:3:4::5:6:7:8", false},
		{"ip", validIP, "1::2::3", false},
		{"ip", validIP, ":::", false},
		{"ip", validIP, "1:::2", false},
		{"ip", validIP, "12345::", false},
		{"ip", validIP, "::g", false},
		{"ip", validIP, "::ffff:1.2.3.4", false},
		{"sasl", validPrincipal, "bob", true},
		{"sasl", validPrincipal, "a/b/c", true},
		{"sasl", validPrincipal, "zk/host@REALM", true},
		{"sasl", validPrincipal, "a/b/c@R", false},
		{"sasl", validPrincipal, "a@b@c", false},
		{"x509", validDN, "CN=a,OU=b\\,c,O=\"d,e\"", true},
		{"x509", validDN, "1.2.840=x", true},
		{"x509", validDN, "nothing", false},
		{"x509", validDN, "CN=a,,O=b", false},
		{"x509", validDN, "CN=a\\", false},
	} {
		if got := c.valid([]byte(c.id)); got != c.want {
			t.Errorf("%s %q: %v", c.kind, c.id, got)
		}
	}
}

func TestMatchIP(t *testing.T) {
	for _, c := range []struct {
		id, entry string
		want      bool
	}{
		{"10.1.2.3", "10.1.2.3", true},
		{"10.1.2.3", "10.1.2.4", false},
		{"10.1.2.3", "10.1.2.4/29", true},
		{"10.1.2.9", "10.1.2.4/29", false},
		{"10.1.2.3", "192.0.0.0/0", true},
		{"10.1.2.3", "::/0", false},
		{"0:0:0:0:0:0:0:1", "::1", true},
		{"2001:db8:0:0:0:0:0:1", "2001:db8::/32", true},
		{"2001:db9:0:0:0:0:0:1", "2001:db8::/32", false},
		{"2001:db9:0:0:0:0:0:1", "2001:db8::/31", true},
		{"", "1.2.3.4/0", false},
	} {
		if got := matchIP(c.id, []byte(c.entry)); got != c.want {
			t.Errorf("%s in %s: %v", c.id, c.entry, got)
		}
	}
	for in, want := range map[string]string{
		"::1": "0:0:0:0:0:0:0:1", "1.2.3.4": "1.2.3.4", "::ffff:1.2.3.4": "1.2.3.4", "2001:db8::a": "2001:db8:0:0:0:0:0:a",
	} {
		if got := HostAddress(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	p := Policy{DigestEnabled: true, SuperDigest: digestOfSuper, Ensemble: true, EnsembleNames: []string{"red"}, SASL: true, X509: true}
	for _, c := range []struct {
		p            *Policy
		scheme, data string
		ids          []wire.ID
		want         Outcome
	}{
		{&p, "digest", "a:b", []wire.ID{{Scheme: "digest", ID: Digest(SHA1, "a:b")}}, Accepted},
		{&p, "digest", "super:test", []wire.ID{{Scheme: "super"}, {Scheme: "digest", ID: digestOfSuper}}, Accepted},
		{&Policy{}, "digest", "a:b", nil, Refused},
		{&p, "ip", "whatever", nil, Accepted},
		{&p, "world", "anyone", nil, Refused},
		{&p, "auth", "", nil, Refused},
		{&p, "super", "", nil, Refused},
		{&p, "sasl", "bob", nil, Refused},
		{&p, "x509", "", nil, NeedsCertificate},
		{&p, "ensemble", "red", nil, Accepted},
		{&p, "ensemble", "", nil, Accepted},
		{&p, "ensemble", "blue", nil, Closed},
		{&usual, "ensemble", "red", nil, Refused},
	} {
		ids, out := c.p.Authenticate([]byte(c.scheme), []byte(c.data))
		if out != c.want || len(ids) != len(c.ids) || len(AddIDs(ids, c.ids...)) != len(c.ids) {
			t.Errorf("%s %s: %v %v", c.scheme, c.data, ids, out)
		}
	}
	if _, out := p.Authenticate([]byte("digest"), nil); out != Refused {
		t.Error("null data is refused")
	}
}

func TestUserName(t *testing.T) {
	for _, c := range []struct {
		id   wire.ID
		want string
		ok   bool
	}{
		{wire.ID{Scheme: "digest", ID: "bob:xyz="}, "bob", true},
		{wire.ID{Scheme: "ip", ID: "1.2.3.4"}, "1.2.3.4", true},
		{wire.ID{Scheme: "super"}, "", false},
	} {
		if got, ok := usual.UserName(c.id); got != c.want || ok != c.ok {
			t.Errorf("%v: %q %v", c.id, got, ok)
		}
	}
}

func TestMaskDigests(t *testing.T) {
	in := raw(acl(31, "digest", "bob:secret="), acl(1, "world", "anyone"))
	if got, want := MaskDigests(in), raw(acl(31, "digest", "bob:x"), acl(1, "world", "anyone")); !bytes.Equal(got, want) {
		t.Errorf("masked % x", got)
	}
	if got := MaskDigests(wire.OpenACL); &got[0] != &wire.OpenACL[0] {
		t.Error("a vector without digests is not copied")
	}
}

// The texts that Java's new String(bytes, UTF_8) makes of malformed bytes.
func TestJavaText(t *testing.T) {
	for in, want := range map[string]string{
		"a\xffb":               "a\ufffdb",
		"\xe2\x82":             "\ufffd",
		"\xe2\x82x":            "\ufffdx",
		"\xf0\x9f\x98":         "\ufffd",
		"\xed\xa0\xbd\xed":     "\ufffd\ufffd",
		"\xc0\x80":             "\ufffd\ufffd",
		"\xe0\x80":             "\ufffd\ufffd",
		"\xf4\x90\x80\x80":     "\ufffd\ufffd\ufffd\ufffd",
		"gr\u00fc\u00df\u4e2d": "gr\u00fc\u00df\u4e2d",
	} {
		if got := wire.JavaText([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestChecksDoNotAllocate(t *testing.T) {
	ids := []wire.ID{{Scheme: "ip", ID: "10.1.2.3"}, {Scheme: "digest", ID: "a:b"}}
	vec := raw(acl(31, "ip", "10.0.0.0/9"), acl(31, "sasl", "bob"), acl(31, "digest", "a:b"))
	if n := testing.AllocsPerRun(100, func() {
		if !usual.Check(wire.OpenACL, 1, ids) || !usual.Check(vec, 2, ids) || usual.Check(vec, 2, ids[:0]) {
			t.Fatal("wrong answer")
		}
		usual.Fixup(wire.OpenACL, ids, 0)
		usual.Fixup(vec[:len(vec):len(vec)], ids, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzVectors feeds any bytes as a vector: no panic, and what Fixup accepts it
// accepts again unchanged.
func FuzzVectors(f *testing.F) {
	f.Add(wire.OpenACL)
	f.Add(raw(acl(5, "auth", ""), acl(5, "digest", "a:b"), acl(1, "ip", "::/0")))
	ids := []wire.ID{{Scheme: "ip", ID: "::1"}, {Scheme: "digest", ID: "u:p"}}
	f.Fuzz(func(t *testing.T, in []byte) {
		usual.Check(in, 1, ids)
		MaskDigests(in)
		out, code := usual.Fixup(in, ids, 0)
		if code != wire.CodeOK {
			return
		}
		again, code := usual.Fixup(out, ids, 0)
		if code != wire.CodeOK || len(again) > len(out) {
			t.Fatalf("% x became % x, then %v", in, out, code)
		}
	})
}
