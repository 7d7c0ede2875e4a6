package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/test/certs"
	"zooid/test/interop/harness"
	"zooid/zk"
)

// patience is how long an answer may take.
const patience = 20 * time.Second

// netty is the property with which Apache's server has TLS.
const netty = "zookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"

// world is an authority, its stores, and those who bear its certificates.
type world struct {
	dir             string
	ca              *certs.Pair
	client, root    *certs.Pair
	expired, forger *certs.Pair
}

func newWorld(t *testing.T) *world {
	w := &world{dir: t.TempDir(), ca: certs.Authority(t, "ca")}
	w.client, w.root = w.ca.Issue(t, "client"), w.ca.Issue(t, "root")
	w.expired = w.ca.Issue(t, "late", certs.Expired)
	w.forger = certs.Authority(t, "ca2").Issue(t, "client")
	server := w.ca.Issue(t, "server")
	for _, ext := range []string{".jks", ".p12", ".pem"} {
		server.Keys(t, w.file("server"+ext))
		w.client.Keys(t, w.file("client"+ext))
		w.root.Keys(t, w.file("root"+ext))
		certs.Trust(t, w.file("trust"+ext), w.ca)
	}
	return w
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

// stores are the lines of a configuration about the stores of one format.
func (w *world) stores(prefix, who, ext string) []string {
	lines := []string{
		prefix + "ssl.keyStore.location=" + w.file(who+ext),
		prefix + "ssl.trustStore.location=" + w.file("trust"+ext),
	}
	if ext != ".pem" {
		lines = append(lines, prefix+"ssl.keyStore.password="+certs.Password, prefix+"ssl.trustStore.password="+certs.Password)
	}
	return lines
}

// server is one with a port for TLS clients.
type server struct {
	*harness.Server
	secure string // host:port
}

func (w *world) start(t *testing.T, kind harness.Kind, ext string, lines ...string) *server {
	t.Helper()
	port := harness.FreePort(t)
	lines = slices.Concat(w.stores("", "server", ext), []string{
		fmt.Sprintf("secureClientPort=%d", port), "secureClientPortAddress=127.0.0.1",
		"X509AuthenticationProvider.superUser=CN=root",
	}, lines)
	s := &server{
		harness.Start(t, harness.Options{Kind: kind, Lines: lines, Properties: []string{netty}}),
		fmt.Sprintf("127.0.0.1:%d", port),
	}
	harness.Until(t, "the port for TLS", s.Done(), func() bool { // Apache's server opens it last
		conn, err := net.Dial("tcp", s.secure)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return s
}

// config is the client's side of TLS for who, nil for nobody.
func (w *world) config(who *certs.Pair) *tls.Config {
	c := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost"}
	if who != nil {
		pair := who.TLS()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

// connect opens a session.
func connect(t *testing.T, addr string, config *tls.Config) *zk.Client {
	t.Helper()
	options := []zk.Option{}
	if config != nil {
		options = append(options, zk.WithTLS(config))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := zk.Dial(ctx, addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestJavaClient: Apache's own shell speaks TLS to the server with stores of each
// format, and has the rights of its certificate.
func TestJavaClient(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	s := w.start(t, "", ".jks")
	for i, ext := range []string{".jks", ".p12", ".pem"} {
		path := fmt.Sprintf("/java%d", i)
		shell := func(who string, command ...string) (string, error) {
			var options []string
			for _, line := range append(w.stores("zookeeper.", who, ext), "zookeeper.client.secure=true",
				"zookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty") {
				options = append(options, "-D"+line)
			}
			_, port, _ := net.SplitHostPort(s.secure)
			cmd := harness.JavaCommand(t, options, "org.apache.zookeeper.ZooKeeperMain",
				append([]string{"-server", "localhost:" + port}, command...)...)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := shell("client", "create", path, "secret", "x509:CN=client:r"); err != nil || !strings.Contains(out, "Created "+path) {
			t.Fatalf("%s: %v\n%s", ext, err, out)
		}
		if out, err := shell("client", "set", path, "x"); err == nil || !strings.Contains(out, "NoAuth") && !strings.Contains(out, "Insufficient permission") {
			t.Errorf("%s: a right that the certificate does not give: %v\n%s", ext, err, out)
		}
		if out, err := shell("root", "set", path, "x"); err != nil {
			t.Errorf("%s: the super user: %v\n%s", ext, err, out)
		}
	}
}

// TestStores: the server reads stores of each format, those of keytool among them.
func TestStores(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	for _, ext := range []string{".p12", ".pem"} {
		s := w.start(t, "", ext)
		who, err := connect(t, s.secure, w.config(w.client)).WhoAmI(t.Context())
		known := slices.ContainsFunc(who, func(id zk.Identity) bool { return id.Scheme == "x509" && id.User == "CN=client" })
		if err != nil || !known {
			t.Errorf("%s: %v, %v", ext, who, err)
		}
		s.Stop()
	}
}

// outcome is what becomes of one who dials.
func outcome(addr string, config *tls.Config, says string) string {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn := raw
	if config != nil {
		conn = tls.Client(raw, config)
	}
	if _, err = io.WriteString(conn, says); err != nil {
		return "refused"
	}
	answer, err := io.ReadAll(conn)
	var late net.Error
	switch {
	case string(answer) == "imok":
		return "served"
	case errors.As(err, &late) && late.Timeout():
		return "left waiting"
	}
	return "refused"
}

// TestWhoIsServed holds the server against Apache's: the same are served and the
// same refused, on the port for TLS and on the plain one.
func TestWhoIsServed(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	old := w.config(w.client)
	old.MaxVersion = tls.VersionTLS12
	for _, auth := range []string{"need", "want", "none"} {
		seen := map[harness.Kind]string{}
		for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
			s := w.start(t, kind, ".jks", "ssl.clientAuth="+auth)
			var all []string
			for _, c := range []struct {
				name, addr string
				config     *tls.Config
				says       string
			}{
				{"certificate", s.secure, w.config(w.client), "ruok"},
				{"no certificate", s.secure, w.config(nil), "ruok"},
				{"expired", s.secure, w.config(w.expired), "ruok"},
				{"another authority", s.secure, w.config(w.forger), "ruok"},
				{"TLSv1.2", s.secure, old, "ruok"},
				// The start of a connect request: with less than the five bytes by which
				// TLS is known a server waits for the rest.
				{"plain", s.secure, nil, "\x00\x00\x00\x2c\x00\x00\x00\x00"},
				{"TLS on the plain port", s.Addr(), w.config(w.client), "ruok"},
				{"plain on the plain port", s.Addr(), nil, "ruok"},
			} {
				all = append(all, c.name+" "+outcome(c.addr, c.config, c.says))
			}
			if got := outcome(s.secure, w.config(w.client), "ruok"); got != "served" {
				t.Errorf("%s: afterwards a good client is %s", kind, got)
			}
			conf := s.FourLetter("conf")
			all = append(all, fmt.Sprintf("conf %t", strings.Contains(conf, "secureClientPort="+port(s.secure)+"\n")))
			seen[kind] = strings.Join(all, "\n")
			s.Stop()
		}
		if seen[harness.Java] != seen[harness.Zooid] {
			t.Errorf("clientAuth=%s: Apache's server:\n%s\nours:\n%s", auth, seen[harness.Java], seen[harness.Zooid])
		}
	}
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// TestHostsOfClients: clientHostnameVerification keeps the same clients out. By
// default Apache's server keeps out all: its fips-mode leaves the check to Java,
// which makes none on the side of a server. Without it every client is held
// against localhost there, and against its own address here.
func TestHostsOfClients(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	seen := map[harness.Kind]string{}
	for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
		s := w.start(t, kind, ".pem", "ssl.clientHostnameVerification=true", "ssl.allowReverseDnsLookup=true", "fips-mode=false")
		for _, c := range []struct {
			name  string
			hosts []string
		}{
			{"here", []string{"localhost", "127.0.0.1"}}, {"address", []string{"127.0.0.1"}},
			{"elsewhere", []string{"elsewhere"}}, {"name alone", []string{"localhost"}}, {"127.0.0.1", nil},
		} {
			seen[kind] += c.name + " " + outcome(s.secure, w.config(w.ca.Issue(t, c.name, certs.Hosts(c.hosts...))), "ruok") + "\n"
		}
		s.Stop()
	}
	if seen[harness.Java] != seen[harness.Zooid] {
		t.Errorf("Apache's server:\n%s\nours:\n%s", seen[harness.Java], seen[harness.Zooid])
	}
}

// TestVersions: with enabledProtocols older clients are served, and the same as by
// Apache's server.
func TestVersions(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	for _, lines := range [][]string{
		{"ssl.enabledProtocols=TLSv1.3,TLSv1.2"},
		{"ssl.protocol=TLSv1.2"},
		{"ssl.enabledProtocols=TLSv1.2,TLSv1.3", "ssl.ciphersuites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	} {
		seen := map[harness.Kind]string{}
		for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
			s := w.start(t, kind, ".p12", lines...)
			for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS11} {
				config := w.config(w.client)
				config.MinVersion, config.MaxVersion = version, version
				seen[kind] += fmt.Sprintf("%x %s\n", version, outcome(s.secure, config, "ruok"))
			}
			s.Stop()
		}
		if seen[harness.Java] != seen[harness.Zooid] {
			t.Errorf("%v: Apache's server:\n%s\nours:\n%s", lines, seen[harness.Java], seen[harness.Zooid])
		}
	}
}

// TestIdentities: the identities of a client are those that Apache's server gives
// it, and so is what it may do with them.
func TestIdentities(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	seen := map[harness.Kind]string{}
	for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
		s := w.start(t, kind, ".jks", "ssl.clientAuth=want", "client.portUnification=true", "serverCnxnFactory="+strings.TrimPrefix(netty, "zookeeper.serverCnxnFactory="))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		said := func(what string, v any, err error) { seen[kind] += fmt.Sprintf("%s: %v %v\n", what, v, err) }
		client, root := connect(t, s.secure, w.config(w.client)), connect(t, s.Addr(), w.config(w.root))
		plain, nobody := connect(t, s.Addr(), nil), connect(t, s.secure, w.config(nil))
		for _, c := range []*zk.Client{client, root, plain, nobody} {
			who, err := c.WhoAmI(ctx)
			// Apache's server has them in the order of their hashes.
			slices.SortFunc(who, func(a, b zk.Identity) int { return strings.Compare(a.Scheme, b.Scheme) })
			said("who", who, err)
		}
		name, err := client.Create(ctx, "/mine", nil, zk.Persistent, []zk.ACL{{Perms: zk.PermAll, Scheme: "auth"}})
		said("create", name, err)
		acl, _, err := client.GetACL(ctx, "/mine")
		said("acl", acl, err)
		for _, c := range []*zk.Client{client, root, plain, nobody} {
			_, err = c.Set(ctx, "/mine", []byte("x"), -1)
			said("set", "", err)
		}
		_, err = client.Create(ctx, "/bad", nil, zk.Persistent, []zk.ACL{{Perms: zk.PermAll, Scheme: "x509", ID: "no name"}})
		said("bad id", "", err)
		said("auth packet with a certificate", "", client.AddAuth(ctx, "x509", nil))
		said("auth packet without one", "", plain.AddAuth(ctx, "x509", nil))
		cancel()
		s.Stop()
	}
	if seen[harness.Java] != seen[harness.Zooid] {
		t.Errorf("Apache's server:\n%s\nours:\n%s", seen[harness.Java], seen[harness.Zooid])
	}
}

// TestKazoo: kazoo speaks TLS to the server with PEM files.
func TestKazoo(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	s := w.start(t, "", ".jks")
	const program = `
import sys
from kazoo.client import KazooClient
from kazoo.security import make_acl
addr, pem, ca = sys.argv[1:]
c = KazooClient(hosts=addr, use_ssl=True, certfile=pem, keyfile=pem, ca=ca)
c.start(timeout=20)
c.create("/kazoo", b"x", acl=[make_acl("x509", "CN=client", all=True)])
print(c.get("/kazoo")[0].decode())
c.stop()
`
	cmd := exec.Command(harness.Python(t), "-c", program, "localhost:"+port(s.secure), w.file("client.pem"), w.file("trust.pem"))
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "x" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReload: with client.certReload new stores hold for new connections, and
// those that stand are not touched.
func TestReload(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	s := w.start(t, "", ".pem", "client.certReload=true")
	stays := connect(t, s.secure, w.config(w.client))
	session := stays.SessionID()
	serial := func() string {
		conn, err := tls.Dial("tcp", s.secure, w.config(w.client))
		if err != nil {
			return ""
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	w.ca.Issue(t, "server").Keys(t, w.file("server.pem"))
	harness.Until(t, "another key", s.Done(), func() bool { now := serial(); return now != "" && now != before })
	certs.Trust(t, w.file("trust.pem"), w.ca, w.forger)
	harness.Until(t, "another authority", s.Done(), func() bool { return outcome(s.secure, w.config(w.forger), "ruok") == "served" })
	if _, _, err := stays.Get(t.Context(), "/zookeeper"); err != nil || stays.SessionID() != session {
		t.Errorf("a session of before: %v", err)
	}
}

// TestStatus: the script and the check of a configuration know the port for TLS.
func TestStatus(t *testing.T) {
	harness.Ring(t)
	w := newWorld(t)
	s := w.start(t, harness.Zooid, ".jks")
	args := []string{"status"}
	for _, line := range w.stores("zookeeper.", "client", ".jks") {
		args = append(args, "-D"+line)
	}
	text := regexp.MustCompile(`(?m)^clientPort.*\n`).ReplaceAllString(readFile(t, s.ConfigFile()), "")
	only := w.file("only.cfg")
	writeFile(t, only, text)
	out, err := exec.Command(harness.ZooidBinary(t), append(args, only)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Client SSL: true.\nMode: standalone\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
