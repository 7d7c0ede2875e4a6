package tlsconf

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/certs"
)

// world is an authority and stores of each format.
type world struct {
	dir            string
	ca, pair       *certs.Pair
	log            bytes.Buffer
	keys, trust    map[string]string // by extension
	other, foreign *certs.Pair
}

func newWorld(t *testing.T) *world {
	w := &world{dir: t.TempDir(), ca: certs.Authority(t, "ca"), keys: map[string]string{}, trust: map[string]string{}}
	w.pair = w.ca.Issue(t, "server")
	w.other = w.ca.Issue(t, "other", certs.Hosts("elsewhere"))
	w.foreign = certs.Authority(t, "ca2").Issue(t, "stranger")
	for _, ext := range []string{".jks", ".p12", ".pem"} {
		w.keys[ext], w.trust[ext] = filepath.Join(w.dir, "key"+ext), filepath.Join(w.dir, "trust"+ext)
		w.pair.Keys(t, w.keys[ext])
		certs.Trust(t, w.trust[ext], w.ca)
	}
	return w
}

func (w *world) settings(ext string) Settings {
	return Settings{Prefix: "ssl.", NeedKey: true, HostnameVerification: true,
		KeyStore:   Store{Location: w.keys[ext], Password: passwordOf(ext)},
		TrustStore: Store{Location: w.trust[ext], Password: passwordOf(ext)}}
}

// passwordOf is the password of a store; the keys of our PEM files have none.
func passwordOf(ext string) string {
	if ext == ".pem" {
		return ""
	}
	return certs.Password
}

func (w *world) open(t *testing.T, s Settings) *Context {
	t.Helper()
	c, err := Open(s, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shake has both sides meet and says what each thinks of it.
func shake(t *testing.T, server, client *tls.Config) (clientState tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			s := tls.Server(conn, server)
			if err = s.Handshake(); err == nil {
				_, err = s.Write([]byte("x"))
			}
		}
		done <- err
	}()
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, client)
	if clientErr = c.Handshake(); clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1)) // TLSv1.3: the server says no afterwards
	}
	raw.Close()
	return c.ConnectionState(), <-done, clientErr
}

func TestStoresOfEachFormat(t *testing.T) {
	w := newWorld(t)
	for ext := range w.keys {
		server := w.open(t, w.settings(ext))
		for other := range w.keys {
			client := w.open(t, w.settings(other))
			state, serr, cerr := shake(t, server.Server(), client.Client("localhost"))
			if serr != nil || cerr != nil || state.Version != tls.VersionTLS13 {
				t.Errorf("%s with %s: %v, %v, version %x", ext, other, serr, cerr, state.Version)
			}
		}
	}
}

func TestWhoIsLetIn(t *testing.T) {
	w := newWorld(t)
	trusted, stranger := w.pair.TLS(), w.foreign.TLS()
	expired := w.ca.Issue(t, "late", certs.Expired).TLS()
	for _, c := range []struct {
		name string
		auth ClientAuth
		cert *tls.Certificate
		ok   bool
	}{
		{"need, trusted", Need, &trusted, true},
		{"need, none", Need, nil, false},
		{"need, stranger", Need, &stranger, false},
		{"need, expired", Need, &expired, false},
		{"want, trusted", Want, &trusted, true},
		{"want, none", Want, nil, true},
		{"want, stranger", Want, &stranger, false},
		{"none, stranger", None, &stranger, true},
	} {
		s := w.settings(".pem")
		s.ClientAuth = c.auth
		config := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost"}
		if c.cert != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.cert, nil }
		}
		_, serr, cerr := shake(t, w.open(t, s).Server(), config)
		if (serr == nil) != c.ok || (cerr == nil) != c.ok {
			t.Errorf("%s: server %v, client %v", c.name, serr, cerr)
		}
	}
}

func TestHostsOfServers(t *testing.T) {
	w := newWorld(t)
	server := w.open(t, w.settings(".pem"))
	check := w.open(t, w.settings(".jks"))
	s := w.settings(".jks")
	s.HostnameVerification = false
	lax := w.open(t, s)
	for _, c := range []struct {
		context *Context
		hosts   []string
		ok      bool
	}{
		{check, []string{"localhost"}, true},
		{check, []string{"127.0.0.1"}, true},
		{check, []string{"zk1"}, false},
		{check, []string{"zk1", "127.0.0.1"}, true},
		{lax, []string{"zk1"}, true},
	} {
		_, _, err := shake(t, server.Server(), c.context.Client(c.hosts[0], c.hosts[1:]...))
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c.hosts, err)
		}
	}
	foreign := filepath.Join(w.dir, "foreign.pem")
	certs.Trust(t, foreign, w.foreign)
	s.TrustStore.Location = foreign
	if _, _, err := shake(t, server.Server(), w.open(t, s).Client("zk1")); err == nil {
		t.Error("without hostname verification any authority will do")
	}
}

func TestHostsOfClients(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		server, client bool
		pair           *certs.Pair
		ok             bool
	}{
		{true, true, w.pair, true},
		{true, true, w.other, false},
		{true, false, w.other, true},
		{false, true, w.other, true},
	} {
		s := w.settings(".pem")
		s.HostnameVerification, s.ClientHostnameVerification = c.server, c.client
		config := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{c.pair.TLS()}}
		if _, err, _ := shake(t, w.open(t, s).Server(), config); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestMatchHost(t *testing.T) {
	ca := certs.Authority(t, "ca")
	cn := func(name string, hosts ...string) *x509.Certificate {
		return ca.Issue(t, name, certs.Hosts(hosts...)).Cert
	}
	for _, c := range []struct {
		cert *x509.Certificate
		host string
		ok   bool
	}{
		{cn("x", "zk1.example.com"), "zk1.example.com", true},
		{cn("x", "zk1.example.com"), "ZK1.Example.com.", true},
		{cn("x", "*.example.com"), "zk1.example.com", true},
		{cn("x", "*.example.com"), "a.zk1.example.com", false},
		{cn("x", "zk*.example.com"), "zk12.example.com", true},
		{cn("zk1", "zk2"), "zk1", false},
		{cn("zk1"), "zk1", true},
		{cn("*.example.com"), "zk1.example.com", true},
		{cn("x", "10.0.0.1"), "10.0.0.1", true},
		{cn("x", "10.0.0.1"), "10.0.0.2", false},
		{cn("x", "::1"), "0:0:0:0:0:0:0:1", true},
		{cn("x", "fe80::1"), "[fe80::1%eth0]", true},
		{cn("10.0.0.1"), "10.0.0.1", true},
		{cn("10.0.0.1", "zk1"), "10.0.0.1", false},
		{cn("x", "zk1"), "", false},
		{ca.Issue(t, "x", certs.Hosts(), certs.Subject(pkix.Name{Organization: []string{"o"}})).Cert, "", false},
	} {
		if err := MatchHost(c.cert, c.host); (err == nil) != c.ok {
			t.Errorf("%v %v for %q: %v", c.cert.DNSNames, c.cert.Subject, c.host, err)
		}
	}
}

// TestVersions: what is spoken is what Apache 3.9.5 speaks.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		s    Settings
		want versions
		bad  string
	}{
		{Settings{Prefix: "ssl."}, versions{tls.VersionTLS13, tls.VersionTLS13}, ""},
		{Settings{Prefix: "ssl.", Protocol: "TLSv1.2"}, versions{tls.VersionTLS12, tls.VersionTLS12}, ""},
		{Settings{Prefix: "ssl.quorum."}, versions{tls.VersionTLS12, tls.VersionTLS13}, ""},
		{Settings{Prefix: "ssl.quorum.", Protocol: "TLSv1.2"}, versions{tls.VersionTLS12, tls.VersionTLS12}, ""},
		{Settings{EnabledProtocols: []string{"TLSv1.3", "TLSv1.2", "TLSv1.1"}}, versions{tls.VersionTLS11, tls.VersionTLS13}, ""},
		{Settings{EnabledProtocols: []string{"TLSv1.3", "TLSv1.1"}}, versions{}, "in between"},
		{Settings{EnabledProtocols: []string{"SSLv3"}}, versions{}, "SSLv3"},
		{Settings{Protocol: "TLS"}, versions{}, `protocol: "TLS"`},
		{Settings{EnabledProtocols: []string{"TLSv1.3", "TLSv1.2"}, CipherSuites: []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}},
			versions{tls.VersionTLS12, tls.VersionTLS12}, ""},
		{Settings{EnabledProtocols: []string{"TLSv1.3", "TLSv1.2"}, CipherSuites: []string{"TLS_AES_128_GCM_SHA256"}},
			versions{tls.VersionTLS13, tls.VersionTLS13}, ""},
		{Settings{Prefix: "ssl.", CipherSuites: []string{"SSL_RSA_WITH_AES_128_CBC_SHA"}}, versions{}, "none of them"},
		{Settings{CipherSuites: []string{"TLS_AES_128"}}, versions{}, "TLS_AES_128"},
	} {
		got, err := c.s.versions()
		if err == nil {
			_, err = c.s.suites(&got, slog.New(slog.DiscardHandler))
		}
		if c.bad == "" && (err != nil || got != c.want) {
			t.Errorf("%+v: %v %v", c.s, got, err)
		}
		if c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)) {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	garbage := filepath.Join(w.dir, "garbage.jks")
	if err := os.WriteFile(garbage, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(s *Settings){
		"ssl.crl=true":                       func(s *Settings) { s.CRL = true },
		"ssl.ocsp=true":                      func(s *Settings) { s.OCSP = true },
		"ssl.keyStore.location is not set":   func(s *Settings) { s.KeyStore.Location = "" },
		"ssl.keyStore.type=bcfks":            func(s *Settings) { s.KeyStore.Type = "bcfks" },
		"ssl.trustStore.type=ODD":            func(s *Settings) { s.TrustStore.Type = "ODD" },
		"ssl.trustStore.location=/x/y":       func(s *Settings) { s.TrustStore.Location = "/x/y" },
		"ssl.trustStore.location: open /x/y": func(s *Settings) { s.TrustStore.Location = "/x/y.pem" },
		"ssl.keyStore.passwordPath":          func(s *Settings) { s.KeyStore.PasswordPath = "/x/y" },
		"key.jks: the password is wrong":     func(s *Settings) { s.KeyStore.Password = "no" },
		"key.jks: the store does not open":   func(s *Settings) { s.KeyStore.Password = "" },
		"key.p12: the password is wrong":     func(s *Settings) { s.KeyStore = Store{Location: w.keys[".p12"], Password: "no"} },
		"trust.jks: there is no key in it":   func(s *Settings) { s.KeyStore.Location = w.trust[".jks"] },
		"trust.pem: there is no key in it":   func(s *Settings) { s.KeyStore = Store{Location: w.trust[".pem"]} },
		"key.jks: there is no certificate":   func(s *Settings) { s.TrustStore.Location = w.keys[".jks"] },
		"key.p12: not read as a PKCS12":      func(s *Settings) { s.TrustStore.Location = w.keys[".p12"] },
		"garbage.jks: not read as PKCS12":    func(s *Settings) { s.KeyStore.Location = garbage },
	} {
		s := w.settings(".jks")
		change(&s)
		_, err := Open(s, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// run runs a tool.
func run(t *testing.T, dir, tool string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
}

// TestStoresOfOthers: stores that Java's keytool and openssl made are read, under
// names that say otherwise, with the password in a file, or with an encrypted key.
func TestStoresOfOthers(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, kind := range []string{"JKS", "PKCS12"} {
		run(t, dir, "keytool", "-genkeypair", "-keyalg", "RSA", "-alias", "one", "-dname", "CN=localhost, O=\"a, b\"",
			"-storetype", kind, "-keystore", kind+".jks", "-storepass", "secret", "-keypass", "secret", "-ext", "san=dns:localhost")
		run(t, dir, "keytool", "-exportcert", "-alias", "one", "-keystore", kind+".jks", "-storepass", "secret", "-file", kind+".crt")
		run(t, dir, "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", kind+".crt", "-storetype", kind, "-keystore", kind+"t.jks", "-storepass", "secret")
	}
	run(t, dir, "openssl", "pkcs12", "-in", "PKCS12.jks", "-passin", "pass:secret", "-out", "plain.pem", "-nodes")
	run(t, dir, "openssl", "pkcs12", "-in", "PKCS12.jks", "-passin", "pass:secret", "-out", "closed.pem", "-passout", "pass:secret")
	run(t, dir, "openssl", "pkcs12", "-export", "-in", "plain.pem", "-out", "openssl.p12", "-passout", "pass:secret")
	run(t, dir, "openssl", "pkcs12", "-export", "-in", "plain.pem", "-out", "empty.p12", "-passout", "pass:")
	run(t, dir, "openssl", "rsa", "-in", "plain.pem", "-traditional", "-out", "pkcs1.key")
	run(t, dir, "openssl", "x509", "-in", "plain.pem", "-out", "plain.crt")
	join(t, in("pkcs1.pem"), in("pkcs1.key"), in("plain.crt"))
	run(t, dir, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-subj", "/CN=localhost", "-keyout", "ec8.key", "-out", "ec.crt")
	run(t, dir, "openssl", "ec", "-in", "ec8.key", "-out", "ec.key")
	join(t, in("ec.pem"), in("ec.key"), in("ec.crt"))
	if err := os.WriteFile(in("password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Store{
		{Location: in("JKS.jks"), Password: "secret"},
		{Location: in("JKS.jks"), Password: "wrong", PasswordPath: in("password"), Type: "PKCS12"},
		{Location: in("PKCS12.jks"), PasswordPath: in("password")},
		{Location: in("plain.pem")},
		{Location: in("closed.pem"), Password: "secret"},
		{Location: in("openssl.p12"), Password: "secret"},
		{Location: in("empty.p12")},
		{Location: in("pkcs1.pem")},
		{Location: in("ec.pem")},
	} {
		keys, err := ReadKeys("p.", s, os.ReadFile)
		if err != nil || len(keys) != 1 || keys[0].Leaf.Subject.CommonName != "localhost" {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := ReadKeys("p.", Store{Location: in("closed.pem"), Password: "no"}, os.ReadFile); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("encrypted with another password: %v", err)
	}
	for _, s := range []Store{
		{Location: in("JKSt.jks"), Password: "secret"},
		{Location: in("PKCS12t.jks"), Password: "secret"},
		{Location: in("plain.pem")},
	} {
		trusted, err := ReadTrusted("p.", s, os.ReadFile)
		if err != nil || len(trusted) != 1 || trusted[0].Subject.CommonName != "localhost" {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// join writes the files one behind the other.
func join(t *testing.T, name string, parts ...string) {
	t.Helper()
	var all []byte
	for _, p := range parts {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(name, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestChangedStores: new stores count from the next handshake on, as files in
// their place or behind a link that leads elsewhere; broken ones change nothing.
func TestChangedStores(t *testing.T) {
	w := newWorld(t)
	s := w.settings(".pem")
	link := filepath.Join(w.dir, "link.pem")
	if err := os.Symlink(s.KeyStore.Location, link); err != nil {
		t.Fatal(err)
	}
	s.KeyStore.Location = link
	c := w.open(t, s)
	serial := func() string {
		t.Helper()
		state, _, err := shake(t, c.Server(), &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{w.pair.TLS()}})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	next := filepath.Join(w.dir, "next.pem")
	w.ca.Issue(t, "server").Keys(t, next)
	if err := os.Symlink(next, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	c.watcher.look()
	second := serial()
	if second == first {
		t.Error("the new key is not used")
	}
	if err := os.WriteFile(next, []byte("half of a"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.watcher.look()
	c.watcher.look()
	if serial() != second || strings.Count(w.log.String(), "the ones before stay in use") != 1 {
		t.Errorf("a broken store: %s", w.log.String())
	}
	w.ca.Issue(t, "server").Keys(t, next)
	c.watcher.look()
	if third := serial(); third == second {
		t.Error("the store that was mended is not used")
	}
	logged := w.log.Len()
	if c.watcher.look(); w.log.Len() != logged {
		t.Error("nothing has changed, but it is read again")
	}
}
