// Package tlsconf turns what ZooKeeper's TLS properties describe into what
// crypto/tls takes: key and trust stores in the formats of Java, protocols and
// cipher suites under Java's names, and the rules by which a host must match a
// certificate.
//
// It serves the client port (properties of the prefix ssl.), the ports between
// members (ssl.quorum.) and the shell. Open reads the stores; a Context then
// makes a configuration for each handshake, always of the stores as they were
// last read, so that Watch can replace them under way. The package opens no
// socket.
package tlsconf

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Settings are one set of TLS properties, already typed.
type Settings struct {
	// Prefix is what the names of the properties begin with, "ssl." or
	// "ssl.quorum.". Errors name properties by it, and two rules depend on it:
	// see EnabledProtocols.
	Prefix string

	KeyStore, TrustStore Store
	// NeedKey makes Open fail without a key store, as a server must have one.
	NeedKey bool

	// Protocol is the version that is preferred, "" for TLSv1.3.
	Protocol string
	// EnabledProtocols are the versions that are spoken. Without any it is
	// Protocol alone on the client port, and Protocol and what is below it, down
	// to TLSv1.2, between members: so Apache has it.
	EnabledProtocols []string
	// CipherSuites are the suites that are spoken, under their IANA names; empty
	// for those that Go chooses.
	CipherSuites []string

	ClientAuth ClientAuth
	// HostnameVerification has a server's certificate checked for its host.
	HostnameVerification bool
	// ClientHostnameVerification has the certificates of those who dial checked
	// too; it counts only together with HostnameVerification.
	ClientHostnameVerification bool
	// AllowReverseDNS allows to look up the names of an address for that.
	AllowReverseDNS bool
	// CRL and OCSP ask for checks of revocation, which are not made: Open
	// refuses them.
	CRL, OCSP bool
	// Reload says that the owner of the Context is to call Watch.
	Reload bool
	// HandshakeDetectionTimeout is how long the first bytes of a connection
	// may take that tell TLS from plain.
	HandshakeDetectionTimeout time.Duration
}

// Store is where a key store or a trust store is.
type Store struct {
	Location     string // of the file; empty: there is none
	Password     string
	PasswordPath string // of a file with the password; wins over Password
	Type         string // JKS, PEM or PKCS12; empty: by the name of the file
}

// ClientAuth is what a server asks of those who dial.
type ClientAuth uint8

// The values of clientAuth; need is the default of the property.
const (
	Need ClientAuth = iota // no connection without a trusted certificate
	Want                   // one without a certificate is served too
	None                   // no certificate is asked for
)

// ParseClientAuth reads the value of the property, in any case of letters.
func ParseClientAuth(value string) (ClientAuth, error) {
	switch fold(value) {
	case "", "NEED":
		return Need, nil
	case "WANT":
		return Want, nil
	case "NONE":
		return None, nil
	}
	return 0, fmt.Errorf("%q is none of none, want and need", value)
}

// Context is a set of TLS settings with the stores that they name. Its methods
// may be called by many at a time.
type Context struct {
	settings Settings
	version  versions
	suites   []uint16
	log      *slog.Logger
	stores   atomic.Pointer[stores]
	watcher  *watcher // Watch's own
}

// Open checks the settings and reads the stores. The error names the property
// and the file that are to blame, and what to do.
func Open(s Settings, log *slog.Logger) (*Context, error) {
	c := &Context{settings: s, log: log}
	for name, on := range map[string]bool{"crl": s.CRL, "ocsp": s.OCSP} {
		if on {
			return nil, fmt.Errorf("%s%s=true: this server cannot check whether a certificate is revoked; "+
				"remove the option, and take certificates that are not to be trusted any more out of use by a trust store without their issuer", s.Prefix, name)
		}
	}
	var err error
	if c.version, err = s.versions(); err != nil {
		return nil, err
	}
	if c.suites, err = s.suites(&c.version, log); err != nil {
		return nil, err
	}
	if s.NeedKey && s.KeyStore.Location == "" {
		return nil, fmt.Errorf("%skeyStore.location is not set: TLS needs a key store with the server's key and certificate", s.Prefix)
	}
	if s.TrustStore.Location == "" {
		log.Warn(s.Prefix + "trustStore.location is not set: the authorities that the system trusts are trusted")
	}
	c.watcher = newWatcher(c) // before the files are read: what comes later is a change
	read, err := s.load(os.ReadFile)
	if err != nil {
		return nil, err
	}
	c.stores.Store(read)
	return c, nil
}

// Settings returns what the Context was opened with.
func (c *Context) Settings() Settings { return c.settings }

// config is what both sides of a connection have in common.
func (c *Context) config() *tls.Config {
	return &tls.Config{MinVersion: c.version.min, MaxVersion: c.version.max, CipherSuites: c.suites}
}

// Server returns a configuration to accept connections with. Each handshake
// takes the stores as they are then.
func (c *Context) Server() *tls.Config {
	outer := c.config()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		st := c.stores.Load()
		inner := c.config()
		inner.Certificates = st.keys
		// A ticket would let those in who were trusted once.
		inner.SessionTicketsDisabled = true
		if c.settings.ClientAuth == None {
			return inner, nil
		}
		inner.ClientAuth = tls.RequireAnyClientCert
		if c.settings.ClientAuth == Want {
			inner.ClientAuth = tls.RequestClientCert
		}
		inner.ClientCAs = st.trusted // the names that a client is told
		peer := hello.Conn.RemoteAddr()
		inner.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return nil // clientAuth=want; need is seen to by crypto/tls
			}
			return c.verifyClient(st, state.PeerCertificates, peer)
		}
		return inner, nil
	}
	outer.SessionTicketsDisabled = true
	return outer
}

// Client returns a configuration to dial host with, which is a name or an
// address. If hostname verification is on, the server's certificate must bear
// the host, or one of the addresses, which are those that host stands for.
func (c *Context) Client(host string, addresses ...string) *tls.Config {
	st := c.stores.Load()
	config := c.config()
	config.ServerName = host
	// The chain and the host are verified below, by ZooKeeper's rules.
	config.InsecureSkipVerify = true
	config.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range st.keys {
			if asked.SupportsCertificate(&st.keys[i]) == nil {
				return &st.keys[i], nil
			}
		}
		return &tls.Certificate{}, nil
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return c.verifyServer(st, state.PeerCertificates, slices.Concat(addresses, []string{host}))
	}
	return config
}
