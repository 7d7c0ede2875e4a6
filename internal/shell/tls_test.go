package shell

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zooid/zk/zktest"
)

// writePEM makes a certificate for a name and returns it with the path of the
// file that holds it with its key.
func writePEM(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	path := filepath.Join(t.TempDir(), name+".pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestClientConfiguration(t *testing.T) {
	cert, store := writePEM(t, "localhost")
	backend := zktest.Start(t).Addr()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", backend)
			if err != nil {
				conn.Close()
				return
			}
			go func() { io.Copy(server, conn); server.Close() }()
			go func() { io.Copy(conn, server); conn.Close() }()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	file := filepath.Join(t.TempDir(), "client.properties")
	write := func(lines ...string) {
		t.Helper()
		lines = append(lines, "zookeeper.client.secure=true",
			"zookeeper.ssl.keyStore.location="+store, "zookeeper.ssl.trustStore.location="+store)
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	out, errs, code := run(t, "", "-server", "localhost:"+port, "-client-configuration", file, "ls", "/")
	if code != 0 || !strings.HasSuffix(out, "[zookeeper]\n") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	// The certificate is for localhost, not for the address.
	_, errs, code = run(t, "", "-server", "127.0.0.1:"+port, "-client-configuration", file, "ls", "/")
	if code != 1 || !strings.Contains(errs, "127.0.0.1") {
		t.Errorf("a wrong name: exit code %d, %s", code, errs)
	}
	write("zookeeper.ssl.hostnameVerification=false")
	if _, errs, code = run(t, "", "-server", "127.0.0.1:"+port, "-client-configuration", file, "ls", "/"); code != 0 {
		t.Errorf("without a check of the name: exit code %d, %s", code, errs)
	}
	_, other := writePEM(t, "other")
	write("zookeeper.ssl.hostnameVerification=false")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "trustStore.location="+store, "trustStore.location="+other, 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code = run(t, "", "-server", "127.0.0.1:"+port, "-client-configuration", file, "ls", "/"); code != 1 || !strings.Contains(errs, "certificate") {
		t.Errorf("an unknown authority: exit code %d, %s", code, errs)
	}
}
