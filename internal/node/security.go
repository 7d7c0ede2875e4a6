package node

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"

	"zooid/internal/config"
	"zooid/internal/quorumport"
	"zooid/internal/sasl"
	"zooid/internal/tlsconf"
)

// What this file does is secure the connections between members: TLS by the
// stores of ssl.quorum, SASL by the JAAS file.

// memberSecurity is what a member has of both.
type memberSecurity struct {
	port    *quorumport.Security
	context *tlsconf.Context         // nil: no TLS
	hosts   atomic.Pointer[[]string] // of the members, by their server lines
	reverse bool                     // allowReverseDnsLookup
}

// openMemberSecurity reads the stores and the JAAS file. Errors name the option
// and the file that are to blame.
func openMemberSecurity(cfg *config.Config, log *slog.Logger) (*memberSecurity, error) {
	s := &memberSecurity{port: &quorumport.Security{}}
	if err := s.openTLS(cfg, log); err != nil {
		return nil, err
	}
	var err error
	s.port.SASL, err = openMemberSASL(cfg)
	return s, err
}

// CheckMemberTLS says what is wrong with the stores of a member that is to speak
// TLS with the others, nil for nothing.
func CheckMemberTLS(cfg *config.Config) error {
	return (&memberSecurity{port: &quorumport.Security{}}).openTLS(cfg, slog.New(slog.DiscardHandler))
}

// CheckMemberSASL says what is wrong with the JAAS file of a member that is to
// speak SASL with the others, nil for nothing.
func CheckMemberSASL(cfg *config.Config) error {
	_, err := openMemberSASL(cfg)
	return err
}

func (s *memberSecurity) openTLS(cfg *config.Config, log *slog.Logger) error {
	q := &cfg.Quorum
	if !cfg.MembersTLS() {
		return nil
	}
	settings, err := tlsSettings("ssl.quorum.", &q.TLS)
	if err != nil {
		return err
	}
	settings.NeedKey, settings.Reload = true, q.SSLQuorumReloadCertFiles
	settings.ClientHostnameVerification = false // accepted sees to it
	if s.context, err = tlsconf.Open(settings, log); err != nil {
		return err
	}
	s.port.TLS = &quorumport.TLS{
		Dials: q.SSLQuorum, Plain: q.PortUnification, Server: s.context.Server(), DetectWithin: settings.HandshakeDetectionTimeout,
		Client: func(host string, remote net.Addr) *tls.Config {
			if ip, _, err := net.SplitHostPort(remote.String()); err == nil {
				return s.context.Client(host, ip)
			}
			return s.context.Client(host)
		},
	}
	if q.TLS.HostnameVerification && q.TLS.ClientHostnameVerification {
		s.port.TLS.Accepted, s.reverse = s.accepted, q.TLS.AllowReverseDNS
	}
	return nil
}

// accepted holds the certificate of who dialled against its address, the hosts
// of the members, and last the names that the address has. Apache's server
// looks up the names at once, and knows nothing of the members.
func (s *memberSecurity) accepted(remote net.Addr, state *tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // clientAuth lets it in
	}
	cert := state.PeerCertificates[0]
	ip, _, err := net.SplitHostPort(remote.String())
	if err != nil {
		return err
	}
	bad := tlsconf.MatchHost(cert, ip)
	if bad == nil {
		return nil
	}
	borne := func(host string) bool { return tlsconf.MatchHost(cert, host) == nil }
	hosts := *s.hosts.Load()
	if slices.ContainsFunc(hosts, borne) {
		return nil
	}
	if s.reverse && slices.ContainsFunc(tlsconf.ReverseDNS(ip), borne) {
		return nil
	}
	return fmt.Errorf("%w, nor for a host of the server lines (%s); correct one of them, or set ssl.quorum.clientHostnameVerification=false",
		bad, strings.Join(hosts, ", "))
}

// openMemberSASL reads the JAAS file; nil without SASL.
func openMemberSASL(cfg *config.Config) (*quorumport.SASL, error) {
	auth := &cfg.Quorum.Auth
	if !auth.Enabled {
		return nil, nil
	}
	sections, err := ReadJAAS(cfg)
	if err != nil {
		return nil, err
	}
	file, _ := cfg.JAASFile()
	section := func(name, option string) ([]sasl.Module, error) {
		modules, ok := sections[name]
		if !ok || len(modules) == 0 {
			return nil, fmt.Errorf("%s: there is no section %s, which %s names", file, name, option)
		}
		if err := sasl.CheckModules(name, modules); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return modules, nil
	}
	server, err := section(auth.ServerContext, "quorum.auth.server.saslLoginContext")
	if err != nil {
		return nil, err
	}
	// As in ZooKeeper the section must be there even if it is not used yet.
	learner, err := section(auth.LearnerContext, "quorum.auth.learner.saslLoginContext")
	if err != nil {
		return nil, err
	}
	users := sasl.DigestUsers(server)
	s := &quorumport.SASL{Required: auth.ServerRequired, Server: func() (quorumport.Mechanism, error) { return newDigestAcceptor(users) }}
	if auth.LearnerRequired {
		user, password, ok := sasl.DigestLogin(learner)
		if !ok {
			return nil, fmt.Errorf(`%s: section %s has no username="<name>" and password="<password>"`, file, auth.LearnerContext)
		}
		s.Learner = func() (quorumport.Mechanism, error) {
			nonce, err := newNonce()
			return sasl.NewDigestClient(sasl.QuorumProtocol, sasl.QuorumServerName, user, password, nonce), err
		}
	}
	return s, nil
}

func newNonce() ([]byte, error) {
	random := make([]byte, sasl.NonceBytes)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return sasl.Nonce(random), nil
}

// digestAcceptor is the accepting side of DIGEST-MD5 between members.
type digestAcceptor struct{ *sasl.DigestServer }

func newDigestAcceptor(users map[string]string) (quorumport.Mechanism, error) {
	nonce, err := newNonce()
	if err != nil {
		return nil, err
	}
	return digestAcceptor{sasl.NewDigestServer(sasl.QuorumProtocol, sasl.QuorumServerName, func(user string) (string, bool) {
		password, ok := users[user]
		return password, ok
	}, nonce)}, nil
}

var errActsAs = errors.New("it asks to act as another user than the one that it is")

// Step is that of the mechanism, but that nobody may act as somebody else
// (SaslQuorumServerCallbackHandler; CVE-2023-44981 was about the other half of
// this check, that of Kerberos).
func (d digestAcceptor) Step(in []byte) (out []byte, done bool, err error) {
	out, done, err = d.DigestServer.Step(in)
	if done && d.AuthorizationID() != d.AuthenticationID() {
		return nil, false, fmt.Errorf("user %q: %w", d.AuthenticationID(), errActsAs)
	}
	return out, done, err
}
