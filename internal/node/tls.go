package node

import (
	"crypto/x509"
	"log/slog"
	"time"

	"zooid/internal/auth"
	"zooid/internal/clientport"
	"zooid/internal/config"
	"zooid/internal/tlsconf"
	"zooid/internal/wire"
)

// openTLS reads the stores of the client port.
func (n *Node) openTLS() (err error) {
	if n.tls, err = openClientTLS(n.cfg, n.log); err != nil {
		return &ExitError{exitConfig, err}
	}
	return nil
}

// CheckClientTLS reads the stores of the client port as a server does when it
// starts, and says what is wrong with them.
func CheckClientTLS(cfg *config.Config) error {
	_, err := openClientTLS(cfg, slog.New(slog.DiscardHandler))
	return err
}

func openClientTLS(cfg *config.Config, log *slog.Logger) (*tlsconf.Context, error) {
	s, err := tlsSettings("ssl.", &cfg.ClientTLS)
	if err != nil {
		return nil, err
	}
	s.NeedKey, s.Reload = true, cfg.ClientCertReload
	return tlsconf.Open(s, log)
}

// tlsSettings are the TLS properties of a configuration, whose names begin with
// prefix, as package tlsconf takes them.
func tlsSettings(prefix string, t *config.TLS) (tlsconf.Settings, error) {
	asked, err := tlsconf.ParseClientAuth(t.ClientAuth)
	detect := t.HandshakeDetectionTimeoutMs
	if detect <= 0 {
		detect = 5000 // as in Apache's server
	}
	return tlsconf.Settings{
		Prefix:   prefix,
		KeyStore: tlsconf.Store(t.KeyStore), TrustStore: tlsconf.Store(t.TrustStore),
		Protocol: t.Protocol, EnabledProtocols: t.EnabledProtocols, CipherSuites: t.CipherSuites, ClientAuth: asked,
		HostnameVerification: t.HostnameVerification, ClientHostnameVerification: t.ClientHostnameVerification,
		AllowReverseDNS: t.AllowReverseDNS, CRL: t.CRL, OCSP: t.OCSP,
		HandshakeDetectionTimeout: time.Duration(detect) * time.Millisecond,
	}, err
}

// identities are those that a connection begins with: its address, and the
// subject of the certificate that it came with.
func (n *Node) identities(c *clientport.Conn) []wire.ID {
	ids := addressIDs(c.IP())
	if chain := c.Certificates(); len(chain) > 0 {
		ids = append(ids, n.subjectIDs(chain[0])...)
	}
	return ids
}

func (n *Node) subjectIDs(cert *x509.Certificate) []wire.ID {
	name, err := auth.SubjectName(cert.RawSubject)
	if err != nil {
		n.log.Warn("a client's certificate gives it no identity", "error", err)
		return nil
	}
	return n.policy.X509IDs(name)
}
