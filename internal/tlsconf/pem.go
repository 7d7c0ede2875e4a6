package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// pemCertificates returns all certificates of a PEM file, of whatever else there
// is in it.
func pemCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for block := range pemBlocks(text) {
		if !strings.HasSuffix(block.Type, "CERTIFICATE") {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// pemKeys returns the key of a PEM file with the certificates of the file as its
// chain. As with Apache the first key counts, and a password says that it is
// encrypted; unlike there it may be in the older forms of openssl too.
func pemKeys(text []byte, password string) ([]tls.Certificate, error) {
	certs, err := pemCertificates(text)
	if err != nil {
		return nil, err
	}
	for block := range pemBlocks(text) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		private, err := pemKey(block, password)
		if err != nil {
			return nil, err
		}
		pair, err := pairUp(private, certs)
		if err != nil {
			return nil, err
		}
		return []tls.Certificate{pair}, nil
	}
	return nil, nil
}

// pemKey reads one private key.
func pemKey(block *pem.Block, password string) (any, error) {
	switch {
	case block.Headers["DEK-Info"] != "":
		return nil, errors.New("the key is encrypted in the old way of openssl; convert it (openssl pkcs8 -topk8 -in KEY -out KEY.pem)")
	case block.Type == "ENCRYPTED PRIVATE KEY" && password == "":
		return nil, errors.New("the key is encrypted, and there is no password")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		private, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
		if err != nil {
			return nil, fmt.Errorf("the key does not open: the password is wrong, or it is encrypted by a scheme other than PBES2 "+
				"(openssl pkcs8 -topk8 converts it): %w", err)
		}
		return private, nil
	case block.Type == "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// pemBlocks are the blocks of a PEM file.
func pemBlocks(text []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for {
			var block *pem.Block
			if block, text = pem.Decode(text); block == nil || !yield(block) {
				return
			}
		}
	}
}
