package shell

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"
)

// tlsConfig builds the client's side of TLS from the properties that Apache's
// client takes, as far as they name PEM files.
func tlsConfig(p properties, read func(string) ([]byte, error)) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := p["zookeeper.ssl.keyStore.location"]; name != "" {
		text, err := readPEM("zookeeper.ssl.keyStore", name, p, read)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(text, text)
		if err != nil {
			return nil, fmt.Errorf("zookeeper.ssl.keyStore.location=%s: %w", name, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if name := p["zookeeper.ssl.trustStore.location"]; name != "" {
		text, err := readPEM("zookeeper.ssl.trustStore", name, p, read)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("zookeeper.ssl.trustStore.location=%s: no certificate in it", name)
		}
	}
	if !p.yes("zookeeper.ssl.hostnameVerification", true) {
		// The chain is verified all the same, by hand, as the name is the one
		// thing that is not to matter.
		config.InsecureSkipVerify = true
		config.VerifyConnection = verifyChain(config.RootCAs)
	}
	return config, nil
}

// verifyChain checks the server's certificate without regard to its name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server shows no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

// readPEM reads a key or trust store, which must be of the PEM kind.
func readPEM(prefix, name string, p properties, read func(string) ([]byte, error)) ([]byte, error) {
	kind := strings.ToUpper(p[prefix+".type"])
	if kind == "" {
		kind = strings.ToUpper(strings.TrimPrefix(path.Ext(name), "."))
	}
	if kind != "PEM" {
		return nil, fmt.Errorf("%s.location=%s: a store of type %s cannot be read here; "+
			"convert it to PEM (openssl pkcs12 -nodes -in STORE.p12 -out STORE.pem, after keytool -importkeystore for a JKS)", prefix, name, kind)
	}
	text, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("%s.location: %w", prefix, err)
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "ENCRYPTED") {
			return nil, fmt.Errorf("%s.location=%s: the key is encrypted; decrypt it (openssl pkey -in KEY -out KEY.pem)", prefix, name)
		}
	}
	return text, nil
}
