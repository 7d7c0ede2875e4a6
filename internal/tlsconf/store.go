package tlsconf

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// stores is what was read last.
type stores struct {
	keys    []tls.Certificate
	trusted *x509.CertPool // nil: those of the system
	anchors []*x509.Certificate
}

// load reads both stores.
func (s *Settings) load(read func(string) ([]byte, error)) (*stores, error) {
	st := &stores{}
	var err error
	if s.KeyStore.Location != "" {
		if st.keys, err = ReadKeys(s.Prefix+"keyStore.", s.KeyStore, read); err != nil {
			return nil, err
		}
	}
	if s.TrustStore.Location != "" {
		if st.anchors, err = ReadTrusted(s.Prefix+"trustStore.", s.TrustStore, read); err != nil {
			return nil, err
		}
		st.trusted = x509.NewCertPool()
		for _, c := range st.anchors {
			st.trusted.AddCert(c)
		}
	}
	return st, nil
}

// ReadKeys reads the keys of a key store, each with its chain. Errors begin
// with the property, whose name is prefix and location.
func ReadKeys(prefix string, s Store, read func(string) ([]byte, error)) ([]tls.Certificate, error) {
	kind, data, password, err := s.open(prefix, read)
	if err != nil {
		return nil, err
	}
	var keys []tls.Certificate
	switch kind {
	case "PEM":
		keys, err = pemKeys(data, password)
	case "PKCS12":
		keys, err = pkcs12Keys(data, password)
	default:
		keys, err = jksKeys(data, password)
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("there is no key in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%slocation=%s: %w", prefix, s.Location, err)
	}
	return keys, nil
}

// ReadTrusted reads the certificates that a trust store trusts. Errors begin
// with the property, whose name is prefix and location.
func ReadTrusted(prefix string, s Store, read func(string) ([]byte, error)) ([]*x509.Certificate, error) {
	kind, data, password, err := s.open(prefix, read)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	switch kind {
	case "PEM":
		certs, err = pemCertificates(data)
	case "PKCS12":
		certs, err = pkcs12Trusted(data, password)
	default:
		certs, err = jksTrusted(data, password)
	}
	if err == nil && len(certs) == 0 {
		err = errors.New("there is no certificate in it that it says to trust (keytool -importcert)")
	}
	if err != nil {
		return nil, fmt.Errorf("%slocation=%s: %w", prefix, s.Location, err)
	}
	return certs, nil
}

// open reads a store and its password, and finds out its format.
func (s Store) open(prefix string, read func(string) ([]byte, error)) (kind string, data []byte, password string, err error) {
	if kind, err = s.kind(prefix); err != nil {
		return "", nil, "", err
	}
	if data, err = read(s.Location); err != nil {
		return "", nil, "", fmt.Errorf("%slocation: %w", prefix, err)
	}
	password = s.Password
	if s.PasswordPath != "" {
		text, err := read(s.PasswordPath)
		if err != nil {
			return "", nil, "", fmt.Errorf("%spasswordPath: %w", prefix, err)
		}
		password = strings.TrimSuffix(string(text), "\n")
	}
	if kind != "PEM" {
		// Java reads either kind under both names, so they do occur: keytool makes
		// PKCS12 of whatever name.
		kind = "PKCS12"
		if len(data) >= 4 && binary.BigEndian.Uint32(data) == jksMagic {
			kind = "JKS"
		}
	}
	return kind, data, password, nil
}

// jksMagic begins a file of the format JKS.
const jksMagic = 0xfeedfeed

// kind is the format of the store by its type or its name.
func (s Store) kind(prefix string) (string, error) {
	kind, named := fold(s.Type), prefix+"type="+s.Type
	if kind == "" {
		named = prefix + "location=" + s.Location
		kind = map[string]string{".jks": "JKS", ".pem": "PEM", ".p12": "PKCS12", ".pfx": "PKCS12", ".bcfks": "BCFKS"}[path.Ext(s.Location)]
	}
	switch kind {
	case "JKS", "PEM", "PKCS12":
		return kind, nil
	case "BCFKS":
		return "", fmt.Errorf("%s: the format BCFKS of Bouncy Castle cannot be read here; convert the store to PKCS12 "+
			"(keytool -importkeystore -srcstoretype BCFKS -deststoretype PKCS12, with Bouncy Castle as the provider)", named)
	case "":
		return "", fmt.Errorf("%s: the format of the store cannot be told from the name of the file; "+
			"call it .jks, .p12 or .pem, or set %stype to JKS, PKCS12 or PEM", named, prefix)
	}
	return "", fmt.Errorf("%s: the formats of stores are JKS, PKCS12 and PEM", named)
}

func fold(word string) string { return strings.ToUpper(strings.TrimSpace(word)) }

// badPassword says what a store is that does not open.
func badPassword(password string, err error) error {
	if password == "" {
		return fmt.Errorf("the store does not open without a password, or is damaged (%w)", err)
	}
	return fmt.Errorf("the password is wrong, or the store is damaged (%w)", err)
}

func openJKS(data []byte, password string) (keystore.KeyStore, error) {
	ks := keystore.New(keystore.WithOrderedAliases(), keystore.WithCaseExactAliases())
	if err := ks.Load(bytes.NewReader(data), []byte(password)); err != nil {
		return ks, badPassword(password, err)
	}
	return ks, nil
}

func jksKeys(data []byte, password string) ([]tls.Certificate, error) {
	ks, err := openJKS(data, password)
	if err != nil {
		return nil, err
	}
	var keys []tls.Certificate
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		entry, err := ks.GetPrivateKeyEntry(alias, []byte(password))
		if err != nil {
			return nil, fmt.Errorf("entry %s: the key must have the password of the store (%w)", alias, err)
		}
		private, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", alias, err)
		}
		var chain []*x509.Certificate
		for _, c := range entry.CertificateChain {
			cert, err := x509.ParseCertificate(c.Content)
			if err != nil {
				return nil, fmt.Errorf("entry %s: %w", alias, err)
			}
			chain = append(chain, cert)
		}
		pair, err := pairUp(private, chain)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", alias, err)
		}
		keys = append(keys, pair)
	}
	return keys, nil
}

func jksTrusted(data []byte, password string) ([]*x509.Certificate, error) {
	ks, err := openJKS(data, password)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for _, alias := range ks.Aliases() {
		if !ks.IsTrustedCertificateEntry(alias) {
			continue
		}
		entry, err := ks.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", alias, err)
		}
		cert, err := x509.ParseCertificate(entry.Certificate.Content)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", alias, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func pkcs12Keys(data []byte, password string) ([]tls.Certificate, error) {
	private, first, others, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, badPassword(password, err)
	case err != nil:
		return nil, fmt.Errorf("not read as PKCS12 with one key: %w", err)
	}
	pair, err := pairUp(private, append([]*x509.Certificate{first}, others...))
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{pair}, nil
}

func pkcs12Trusted(data []byte, password string) ([]*x509.Certificate, error) {
	certs, err := pkcs12.DecodeTrustStore(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, badPassword(password, err)
	case err != nil:
		return nil, fmt.Errorf("not read as a PKCS12 trust store, which holds nothing but trusted certificates (keytool -importcert makes one): %w", err)
	}
	return certs, nil
}

// pairUp makes of a key and certificates in any order what crypto/tls takes: the
// certificate of the key first, behind it those of its issuers.
func pairUp(private any, certs []*x509.Certificate) (tls.Certificate, error) {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return tls.Certificate{}, fmt.Errorf("a key of the kind %T cannot be used for TLS", private)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	leaf := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return ok && public.Equal(c.PublicKey) })
	if leaf < 0 {
		return tls.Certificate{}, errors.New("none of the certificates belongs to the key")
	}
	pair := tls.Certificate{PrivateKey: private, Leaf: certs[leaf], Certificate: [][]byte{certs[leaf].Raw}}
	for at := certs[leaf]; len(pair.Certificate) < len(certs) && !bytes.Equal(at.RawIssuer, at.RawSubject); {
		next := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return c != at && bytes.Equal(c.RawSubject, at.RawIssuer) })
		if next < 0 {
			break
		}
		at = certs[next]
		pair.Certificate = append(pair.Certificate, at.Raw)
	}
	return pair, nil
}
