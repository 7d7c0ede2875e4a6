package node

import (
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/internal/config"
	"zooid/internal/sasl"
	"zooid/test/certs"
)

// memberConfig is the configuration of a member with further lines.
func memberConfig(t *testing.T, lines string, props ...config.Property) *config.Config {
	t.Helper()
	text := "dataDir=/data\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n" +
		"server.1=one.test:2888:3888\nserver.2=two.test:2888:3888\nserver.3=three.test:2888:3888\n" + lines
	cfg, _, err := config.Parse("zoo.cfg", []byte(text), props)
	if err == nil {
		_, err = cfg.Complete(1, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestAcceptedCertificates: who dials has to have a certificate for its address
// or for the host of a member; names are not looked up for that.
func TestAcceptedCertificates(t *testing.T) {
	dir, ca := t.TempDir(), certs.Authority(t, "members")
	keys, trust := filepath.Join(dir, "key.pem"), filepath.Join(dir, "trust.pem")
	ca.Issue(t, "one").Keys(t, keys)
	certs.Trust(t, trust, ca)
	lines := "sslQuorum=true\nssl.quorum.keyStore.location=" + keys + "\nssl.quorum.trustStore.location=" + trust + "\nssl.quorum.allowReverseDnsLookup=false\n"
	open := func(more string) *memberSecurity {
		s, err := openMemberSecurity(memberConfig(t, lines+more), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s.hosts.Store(&[]string{"one.test", "two.test"})
		return s
	}
	s := open("")
	if s.port.TLS == nil || !s.port.TLS.Dials || s.port.TLS.Plain || s.port.SASL != nil {
		t.Fatalf("%+v", s.port)
	}
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 50000}
	for hosts, want := range map[string]string{
		"192.0.2.7":             "",
		"two.test":              "",
		"other.test two.test":   "",
		"192.0.2.8":             "not for 192.0.2.7",
		"other.test":            "nor for a host of the server lines (one.test, two.test)",
		"*.other.test 10.0.0.1": "clientHostnameVerification=false",
	} {
		cert := ca.Issue(t, "peer", certs.Hosts(strings.Fields(hosts)...)).Cert
		err := s.port.TLS.Accepted(from, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", hosts, err, want)
		}
	}
	if err := s.port.TLS.Accepted(from, &tls.ConnectionState{}); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
	for _, more := range []string{"ssl.quorum.hostnameVerification=false\n", "ssl.quorum.clientHostnameVerification=false\n"} {
		if open(more).port.TLS.Accepted != nil {
			t.Errorf("%s: certificates are held against hosts", more)
		}
	}
	if s := open("portUnification=true\nsslQuorum=false\n"); s.port.TLS.Dials || !s.port.TLS.Plain {
		t.Errorf("%+v", s.port.TLS)
	}
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	if err := CheckMemberTLS(memberConfig(t, lines)); err == nil || !strings.Contains(err.Error(), "ssl.quorum.keyStore.location") {
		t.Error(err)
	}
}

const digestLogin = "org.apache.zookeeper.server.auth.DigestLoginModule required "

// TestMemberJAAS: a file that cannot be used is refused with its reason.
func TestMemberJAAS(t *testing.T) {
	server := "QuorumServer { " + digestLogin + "user_a=\"secret\"; };\n"
	learner := "QuorumLearner { " + digestLogin + "username=\"a\" password=\"secret\"; };\n"
	for text, want := range map[string]string{
		server + learner: "",
		server:           "there is no section QuorumLearner, which quorum.auth.learner.saslLoginContext names",
		learner:          "there is no section QuorumServer, which quorum.auth.server.saslLoginContext names",
		"QuorumServer {": "line 1",
		learner + "QuorumServer { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true; };": "section QuorumServer logs in with Kerberos",
		server + "QuorumLearner { " + digestLogin + "; };":                                                  `section QuorumLearner has no username`,
	} {
		name := filepath.Join(t.TempDir(), "jaas.conf")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := CheckMemberSASL(memberConfig(t, "quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\n",
			config.Property{Name: "java.security.auth.login.config", Value: name}))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, not %q", text, err, want)
		}
	}
	if err := CheckMemberSASL(memberConfig(t, "")); err != nil {
		t.Error(err)
	}
}

// actAs is the response of user a with the password secret who asks to act as
// another.
func actAs(another string, challenge []byte) []byte {
	_, rest, _ := strings.Cut(string(challenge), `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	const cnonce, uri = "cnonce", sasl.QuorumProtocol + "/" + sasl.QuorumServerName
	sum := func(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }
	login := md5.Sum([]byte("a:" + sasl.QuorumServerName + ":secret"))
	a1 := sum(string(login[:]) + ":" + nonce + ":" + cnonce + ":" + another)
	response := sum(a1 + ":" + nonce + ":00000001:" + cnonce + ":auth:" + sum("AUTHENTICATE:"+uri))
	return fmt.Appendf(nil, `username="a",realm=%q,nonce=%q,nc=00000001,cnonce=%q,digest-uri=%q,response=%s,qop=auth,authzid=%q`,
		sasl.QuorumServerName, nonce, cnonce, uri, response, another)
}

// TestNobodyActsAsAnother: a member that asks to act as another user than the
// one whose password it knows is refused.
func TestNobodyActsAsAnother(t *testing.T) {
	for another, want := range map[string]error{"a": nil, "b": errActsAs} {
		m, err := newDigestAcceptor(map[string]string{"a": "secret", "b": "other"})
		if err != nil {
			t.Fatal(err)
		}
		challenge, _, err := m.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := m.Step(actAs(another, challenge)); done != (want == nil) || !errors.Is(err, want) {
			t.Errorf("a as %s: done %v, %v", another, done, err)
		}
	}
}
