package node

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zooid/internal/config"
	"zooid/internal/vfs"
	"zooid/test/certs"
	"zooid/zk"
)

// tlsWorld is an authority with the stores of a server.
type tlsWorld struct {
	dir string
	ca  *certs.Pair
}

func newTLSWorld(t *testing.T) *tlsWorld {
	w := &tlsWorld{dir: t.TempDir(), ca: certs.Authority(t, "ca")}
	w.ca.Issue(t, "server").Keys(t, w.file("key.p12"))
	certs.Trust(t, w.file("trust.jks"), w.ca)
	return w
}

func (w *tlsWorld) file(name string) string { return filepath.Join(w.dir, name) }

func (w *tlsWorld) lines(more ...string) []string {
	return append([]string{
		"secureClientPort=0", "secureClientPortAddress=127.0.0.1",
		"ssl.keyStore.location=" + w.file("key.p12"), "ssl.keyStore.password=" + certs.Password,
		"ssl.trustStore.location=" + w.file("trust.jks"), "ssl.trustStore.password=" + certs.Password,
		"X509AuthenticationProvider.superUser=CN=root",
	}, more...)
}

func (w *tlsWorld) dial(t *testing.T, addr, name string) *zk.Client {
	t.Helper()
	config := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{w.ca.Issue(t, name).TLS()}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := zk.Dial(ctx, addr, zk.WithTLS(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestCertificatesAreIdentities: the subject of a client's certificate stands for
// it in ACLs, and that of the super user may do everything.
func TestCertificatesAreIdentities(t *testing.T) {
	w := newTLSWorld(t)
	s := start(t, w.lines("serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory", "client.portUnification=true")...)
	a, b, root := w.dial(t, s.SecureAddr(), "a"), w.dial(t, s.Addr(), "b"), w.dial(t, s.SecureAddr(), "root")
	ctx := t.Context()
	acl := []zk.ACL{{Perms: zk.PermAll, Scheme: "auth"}}
	if _, err := a.Create(ctx, "/a", nil, zk.Persistent, acl); err != nil {
		t.Fatal(err)
	}
	got, _, err := a.GetACL(ctx, "/a")
	if err != nil || !slices.Equal(got, []zk.ACL{{Perms: zk.PermAll, Scheme: "x509", ID: "CN=a"}}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := b.Set(ctx, "/a", nil, -1); err == nil {
		t.Error("somebody else may set it")
	}
	if _, err := root.Set(ctx, "/a", nil, -1); err != nil {
		t.Errorf("the super user may not: %v", err)
	}
	if err := b.AddAuth(ctx, "x509", nil); err != nil {
		t.Errorf("an auth packet of one with a certificate: %v", err)
	}
	seen := 0
	for _, c := range s.Connections() {
		if c.Secure {
			seen++
		}
	}
	if conf := s.Settings(); seen != 3 || net.JoinHostPort("127.0.0.1", strconv.Itoa(conf.SecureClientPort)) != s.SecureAddr() {
		t.Errorf("%d secure connections are shown, and %+v", seen, conf)
	}
}

// TestBadStores: a server whose stores cannot be read does not start, and says why.
func TestBadStores(t *testing.T) {
	w := newTLSWorld(t)
	s, err := tryStart(t, vfs.NewMem(), "/data", w.lines("ssl.trustStore.password=wrong")...)
	if err == nil {
		s.Stop()
		t.Fatal("it starts")
	}
	if e := new(ExitError); !errors.As(err, &e) || e.Code != exitConfig || !strings.Contains(err.Error(), "trust.jks: the password is wrong") {
		t.Errorf("%v", err)
	}
}

// TestTLSAlone: a server without a plain port serves, has its stores read again,
// and stops.
func TestTLSAlone(t *testing.T) {
	w := newTLSWorld(t)
	text := strings.Join(w.lines("dataDir=/data", "client.certReload=true"), "\n")
	cfg, _, err := config.Parse("zoo.cfg", []byte(text), nil)
	if err == nil {
		_, err = cfg.Complete(config.NoID, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	var log logText
	s, err := Start(cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if conf := s.Settings(); s.Addr() != "" || conf.ClientPort != -1 {
		t.Errorf("a plain port at %s, and %+v", s.Addr(), conf)
	}
	c := w.dial(t, s.SecureAddr(), "a")
	w.ca.Issue(t, "server").Keys(t, w.file("key.p12"))
	for end := time.Now().Add(patience); !strings.Contains(log.String(), "TLS stores read again"); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the stores are not read again")
		}
	}
	if _, _, err := c.Get(t.Context(), "/zookeeper"); err != nil {
		t.Errorf("a session of before: %v", err)
	}
}
