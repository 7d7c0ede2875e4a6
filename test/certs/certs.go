// Package certs makes authorities, certificates and stores for tests, when they
// run: no key is kept in the project.
package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// Password is the one of all stores that this package writes.
const Password = "changeit"

// Pair is a certificate with its key and those who signed it.
type Pair struct {
	Cert  *x509.Certificate
	Key   crypto.Signer
	chain []*x509.Certificate // issuers, the authority's own last
}

// Option changes a certificate before it is signed.
type Option func(*x509.Certificate)

// Hosts sets the names and addresses that a certificate is for; without it they
// are localhost, 127.0.0.1 and ::1.
func Hosts(hosts ...string) Option {
	return func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = nil, nil
		for _, h := range hosts {
			if ip := net.ParseIP(h); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, h)
			}
		}
	}
}

// Expired makes a certificate that was good until yesterday.
func Expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
}

// Subject replaces the subject, which is CN=name otherwise.
func Subject(name pkix.Name) Option { return func(c *x509.Certificate) { c.Subject = name } }

// Authority makes an authority.
func Authority(t testing.TB, name string) *Pair {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Test"}}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return sign(t, template, nil)
}

// Issue makes a certificate for servers and clients that the pair signs.
func (p *Pair) Issue(t testing.TB, name string, options ...Option) *Pair {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	Hosts("localhost", "127.0.0.1", "::1")(template)
	for _, o := range options {
		o(template)
	}
	return sign(t, template, p)
}

func sign(t testing.TB, template *x509.Certificate, by *Pair) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	issuer, signer := template, crypto.Signer(key)
	if by != nil {
		issuer, signer = by.Cert, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	p := &Pair{Cert: cert, Key: key}
	if by != nil {
		p.chain = append([]*x509.Certificate{by.Cert}, by.chain...)
	}
	return p
}

// TLS is the pair as crypto/tls takes it.
func (p *Pair) TLS() tls.Certificate {
	pair := tls.Certificate{PrivateKey: p.Key, Leaf: p.Cert, Certificate: [][]byte{p.Cert.Raw}}
	for _, c := range p.chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair
}

// Pool holds the certificate of the pair, to be trusted.
func (p *Pair) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Cert)
	return pool
}

// Keys writes the pair as a key store whose format is that of the extension of
// name, .pem, .p12 or .jks.
func (p *Pair) Keys(t testing.TB, name string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	must(t, err)
	switch filepath.Ext(name) {
	case ".pem":
		text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		write(t, name, append(text, pemOf(append([]*x509.Certificate{p.Cert}, p.chain...)...)...))
	case ".p12":
		data, err := pkcs12.Modern.Encode(p.Key, p.Cert, p.chain, Password)
		must(t, err)
		write(t, name, data)
	case ".jks":
		ks := keystore.New()
		entry := keystore.PrivateKeyEntry{CreationTime: time.Now(), PrivateKey: der}
		for _, c := range append([]*x509.Certificate{p.Cert}, p.chain...) {
			entry.CertificateChain = append(entry.CertificateChain, keystore.Certificate{Type: "X.509", Content: c.Raw})
		}
		must(t, ks.SetPrivateKeyEntry("key", entry, []byte(Password)))
		store(t, ks, name)
	default:
		t.Fatalf("no store is written as %s", name)
	}
}

// Trust writes certificates as a trust store whose format is that of the
// extension of name, .pem, .p12 or .jks.
func Trust(t testing.TB, name string, pairs ...*Pair) {
	t.Helper()
	var certs []*x509.Certificate
	for _, p := range pairs {
		certs = append(certs, p.Cert)
	}
	switch filepath.Ext(name) {
	case ".pem":
		write(t, name, pemOf(certs...))
	case ".p12":
		data, err := pkcs12.Modern.EncodeTrustStore(certs, Password)
		must(t, err)
		write(t, name, data)
	case ".jks":
		ks := keystore.New()
		for _, c := range certs {
			must(t, ks.SetTrustedCertificateEntry(c.Subject.String(), keystore.TrustedCertificateEntry{
				CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X.509", Content: c.Raw}}))
		}
		store(t, ks, name)
	default:
		t.Fatalf("no store is written as %s", name)
	}
}

func pemOf(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func store(t testing.TB, ks keystore.KeyStore, name string) {
	t.Helper()
	var b bytes.Buffer
	must(t, ks.Store(&b, []byte(Password)))
	write(t, name, b.Bytes())
}

// write puts a file in its place at once, as those do who replace stores under
// way.
func write(t testing.TB, name string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(name+".new", data, 0o600))
	must(t, os.Rename(name+".new", name))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
