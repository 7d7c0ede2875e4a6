package tlsconf

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// verifyClient checks the certificate of one who dialled from peer.
func (c *Context) verifyClient(st *stores, chain []*x509.Certificate, peer net.Addr) error {
	if err := st.verify(chain, x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	if !c.settings.HostnameVerification || !c.settings.ClientHostnameVerification {
		return nil
	}
	host, _, err := net.SplitHostPort(peer.String())
	if err != nil {
		return fmt.Errorf("the address %s of the peer cannot be held against its certificate: %w", peer, err)
	}
	hosts := []string{host}
	if MatchHost(chain[0], host) != nil && c.settings.AllowReverseDNS {
		hosts = append(hosts, ReverseDNS(host)...)
	}
	return matchAny(chain[0], hosts)
}

// ReverseDNS looks up the names of an address, without their last dot; none if
// that takes more than 5 s.
func ReverseDNS(address string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	defer cancel()
	names, _ := net.DefaultResolver.LookupAddr(ctx, address)
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, ".")
	}
	return names
}

// lookupLimit is how long the names of an address are looked for.
const lookupLimit = 5 * time.Second

// verifyServer checks the certificate of a server that was dialled by any of
// hosts.
func (c *Context) verifyServer(st *stores, chain []*x509.Certificate, hosts []string) error {
	if len(chain) == 0 {
		return errors.New("the server shows no certificate")
	}
	if err := st.verify(chain, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	if !c.settings.HostnameVerification {
		return nil
	}
	return matchAny(chain[0], hosts)
}

// verify checks that a chain leads to a certificate of the trust store, and what
// it is for. A certificate that stands in the trust store itself is trusted.
func (st *stores) verify(chain []*x509.Certificate, use x509.ExtKeyUsage) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: st.trusted, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return fmt.Errorf("certificate of %q: %w", chain[0].Subject.String(), err)
	}
	return nil
}

// matchAny checks that a certificate bears one of hosts.
func matchAny(cert *x509.Certificate, hosts []string) error {
	var err error
	for _, host := range hosts {
		if err = MatchHost(cert, host); err == nil {
			return nil
		}
	}
	if len(hosts) > 1 {
		return fmt.Errorf("%w; nor is it for %s", err, strings.Join(hosts[:len(hosts)-1], ", "))
	}
	return err
}

// MatchHost checks that a certificate is for host, a name or an address: that
// it stands among the subject's alternative names or, where there are none of
// its kind, is the common name. An asterisk stands for a part of a name without
// dots. These are the rules of Apache's ZKHostnameVerifier and of Java's, where
// they differ the one that lets more hosts in.
func MatchHost(cert *x509.Certificate, host string) error {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	plain, _, _ := strings.Cut(host, "%") // without a zone
	if address, err := netip.ParseAddr(plain); err == nil {
		if slices.ContainsFunc(cert.IPAddresses, func(ip net.IP) bool {
			a, ok := netip.AddrFromSlice(ip)
			return ok && a.Unmap() == address.Unmap()
		}) {
			return nil
		}
		if len(cert.IPAddresses)+len(cert.DNSNames) == 0 && matchName(commonName(cert), plain) {
			return nil
		}
	} else {
		if slices.ContainsFunc(cert.DNSNames, func(name string) bool { return matchName(name, host) }) {
			return nil
		}
		if len(cert.DNSNames) == 0 && matchName(commonName(cert), host) {
			return nil
		}
	}
	return fmt.Errorf("the certificate of %q is not for %s but for %s", cert.Subject.String(), host, strings.Join(borne(cert), ", "))
}

// borne lists the hosts that a certificate is for.
func borne(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = append(names, "CN="+commonName(cert))
	}
	return names
}

// matchName reports whether a name of a certificate, possibly with an asterisk,
// is that of host.
func matchName(name, host string) bool {
	name, host = strings.ToLower(name), strings.ToLower(strings.TrimSuffix(host, "."))
	before, after, wild := strings.Cut(name, "*")
	if !wild {
		return name != "" && name == host
	}
	if len(host) < len(before)+len(after) || !strings.HasPrefix(host, before) || !strings.HasSuffix(host, after) {
		return false
	}
	return !strings.Contains(host[len(before):len(host)-len(after)], ".")
}

// commonName is the most specific common name of the subject.
func commonName(cert *x509.Certificate) string {
	for _, attribute := range slices.Backward(cert.Subject.Names) {
		if attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			name, _ := attribute.Value.(string)
			return name
		}
	}
	return ""
}
