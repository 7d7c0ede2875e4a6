package tlsconf

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// versions is a range of protocol versions.
type versions struct{ min, max uint16 }

func (v versions) has(version uint16) bool { return v.min <= version && version <= v.max }

// protocols are Java's names of the versions.
var protocols = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// clientPrefix is the prefix of the client port's properties.
const clientPrefix = "ssl."

// versions reads protocol and enabledProtocols.
func (s *Settings) versions() (versions, error) {
	preferred := uint16(tls.VersionTLS13)
	if s.Protocol != "" {
		v, ok := protocols[s.Protocol]
		if !ok {
			return versions{}, s.badProtocol("protocol", s.Protocol)
		}
		preferred = v
	}
	if len(s.EnabledProtocols) == 0 {
		if s.Prefix == clientPrefix {
			return versions{preferred, preferred}, nil
		}
		return versions{min(preferred, tls.VersionTLS12), preferred}, nil
	}
	var spoken []uint16
	for _, name := range s.EnabledProtocols {
		v, ok := protocols[name]
		if !ok {
			return versions{}, s.badProtocol("enabledProtocols", name)
		}
		spoken = append(spoken, v)
	}
	r := versions{slices.Min(spoken), slices.Max(spoken)}
	for v := r.min; v <= r.max; v++ {
		if !slices.Contains(spoken, v) {
			return versions{}, fmt.Errorf("%senabledProtocols=%s: a version in between is missing, and only a row of versions can be spoken",
				s.Prefix, strings.Join(s.EnabledProtocols, ","))
		}
	}
	return r, nil
}

func (s *Settings) badProtocol(property, name string) error {
	return fmt.Errorf("%s%s: %q is no protocol that is spoken here: these are TLSv1.3, TLSv1.2, TLSv1.1 and TLSv1", s.Prefix, property, name)
}

// javaOnly are the suites that Java has and Go has not.
var javaOnly = strings.Fields(`
	TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 TLS_DHE_DSS_WITH_AES_256_GCM_SHA384
	TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 TLS_DHE_DSS_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
	TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 TLS_DHE_RSA_WITH_AES_256_CBC_SHA256 TLS_DHE_DSS_WITH_AES_256_CBC_SHA256
	TLS_DHE_RSA_WITH_AES_128_CBC_SHA256 TLS_DHE_DSS_WITH_AES_128_CBC_SHA256 TLS_DHE_RSA_WITH_AES_256_CBC_SHA
	TLS_DHE_DSS_WITH_AES_256_CBC_SHA TLS_DHE_RSA_WITH_AES_128_CBC_SHA TLS_DHE_DSS_WITH_AES_128_CBC_SHA
	TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384 TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256
	TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384 TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384
	TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256 TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256 TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA
	TLS_ECDH_RSA_WITH_AES_256_CBC_SHA TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDH_RSA_WITH_AES_128_CBC_SHA
	TLS_RSA_WITH_AES_256_CBC_SHA256 TLS_EMPTY_RENEGOTIATION_INFO_SCSV`)

// suites reads ciphersuites, and narrows the versions to those that a suite is
// left for. The suites of TLSv1.3 cannot be chosen one by one.
func (s *Settings) suites(v *versions, log *slog.Logger) ([]uint16, error) {
	if len(s.CipherSuites) == 0 {
		return nil, nil
	}
	known := map[string]*tls.CipherSuite{}
	modern := 0 // suites of TLSv1.3 that there are
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[c.Name] = c
		if slices.Equal(c.SupportedVersions, []uint16{tls.VersionTLS13}) {
			modern++
		}
	}
	var chosen []uint16
	var dropped []string
	asked := 0 // suites of TLSv1.3 that are asked for
	for _, name := range s.CipherSuites {
		standard := strings.Replace(name, "SSL_", "TLS_", 1)
		c := known[standard]
		switch {
		case c != nil && slices.Equal(c.SupportedVersions, []uint16{tls.VersionTLS13}):
			asked++
		case c != nil:
			chosen = append(chosen, c.ID)
		case slices.Contains(javaOnly, standard):
			dropped = append(dropped, name)
		default:
			return nil, fmt.Errorf("%sciphersuites: %q is no cipher suite; they have names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", s.Prefix, name)
		}
	}
	if asked == 0 {
		v.max = min(v.max, tls.VersionTLS12)
	}
	if len(chosen) == 0 {
		v.min = max(v.min, tls.VersionTLS13)
	}
	if v.min > v.max {
		return nil, fmt.Errorf("%sciphersuites=%s: none of them can be had with the protocols that are enabled",
			s.Prefix, strings.Join(s.CipherSuites, ","))
	}
	if len(dropped) > 0 {
		log.Warn(s.Prefix+"ciphersuites: left out what is not spoken here", "suites", strings.Join(dropped, ","))
	}
	if v.has(tls.VersionTLS13) && asked < modern {
		log.Warn(s.Prefix + "ciphersuites: the three suites of TLSv1.3 are spoken all together")
	}
	return chosen, nil
}
