package tlsconf

import (
	"fmt"
	"strings"
)

// ClientPrefix is what the names of the system properties begin with that a
// client takes.
const ClientPrefix = "zookeeper.ssl."

// ClientSettings reads the settings of a client from the system properties of
// Apache's; get returns the value of one, "" if it is not set. Without a word
// about protocols TLSv1.2 is spoken too, unlike Apache's client.
func ClientSettings(get func(name string) string) (Settings, error) {
	s := Settings{Prefix: ClientPrefix, Protocol: get(ClientPrefix + "protocol"), HostnameVerification: true}
	store := func(kind string) Store {
		p := ClientPrefix + kind + "Store."
		return Store{Location: get(p + "location"), Password: get(p + "password"), PasswordPath: get(p + "passwordPath"), Type: get(p + "type")}
	}
	s.KeyStore, s.TrustStore = store("key"), store("trust")
	list := func(name string) []string {
		text := get(ClientPrefix + name)
		if text == "" {
			return nil
		}
		return strings.Split(text, ",")
	}
	s.EnabledProtocols, s.CipherSuites = list("enabledProtocols"), list("ciphersuites")
	for name, on := range map[string]*bool{"hostnameVerification": &s.HostnameVerification, "crl": &s.CRL, "ocsp": &s.OCSP} {
		if text := get(ClientPrefix + name); text != "" {
			*on = strings.EqualFold(text, "true")
		}
	}
	if name := get(ClientPrefix + "context.supplier.class"); name != "" {
		return s, fmt.Errorf("%scontext.supplier.class=%s: classes of Java are not loaded", ClientPrefix, name)
	}
	return s, nil
}
