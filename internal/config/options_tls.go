package config

import "strings"

var tlsOptions = []Option{
	{Key: "secureClientPort", Typed: true, Type: Port, Default: "none", computed: true, Since: "3.5.1", Status: NotYet, Range: between(0, 65535),
		Why: noTLS, asks: always, Doc: "Port for clients that speak TLS."},
	{Key: "secureClientPortAddress", Typed: true, Type: Host, Default: "all addresses", computed: true, Since: "3.5.1", Status: NotYet,
		Why: noTLS, asks: always, Doc: "Address on which TLS clients are served; needs secureClientPort."},
	{Key: "client.portUnification", Type: Bool, Default: "false", Since: "3.7.0", Status: NotYet, Why: noTLS,
		Doc: "Serve plain and TLS clients on the client port.",
		asks: func(c *Config, value string) bool {
			// ZooKeeper's default connection factory ignores the switch.
			factory, _ := c.Property("zookeeper.serverCnxnFactory")
			return whenTrue(c, value) && strings.Contains(factory, "Netty")
		}},
	{Key: "client.certReload", Type: Bool, Default: "false", Since: "3.9", Status: NotYet, Why: noTLS,
		Doc: "Read the key and trust stores of the client port again when they change."},
	{Key: "sslQuorum", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: NotYet, Why: noTLS, asks: whenTrue, member: true,
		Doc: "TLS on the quorum and election ports."},
	{Key: "portUnification", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: NotYet, Why: noTLS, asks: whenTrue, member: true,
		Doc: "Accept plain and TLS connections on the quorum and election ports."},
	{Key: "sslQuorumReloadCertFiles", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: NotYet, Why: noTLS, asks: whenTrue, member: true,
		Doc: "Read the quorum key and trust stores again when they change."},
	{Key: "fips-mode", Type: Bool, Default: "true", Since: "3.9", Status: NotYet, Why: noTLS,
		Doc: "Neither a trust manager of its own nor DIGEST-MD5."},
	{Key: "ssl.sslProvider", Type: Enum, Words: []string{"JDK", "OPENSSL", "OPENSSL_REFCNT"}, Default: "JDK", Since: "3.9", Status: NotYet, Why: noTLS,
		Doc: "TLS implementation of the client port."},
}

var (
	clientStoreOptions = storeOptions("ssl.", "false", "3.5.1")
	quorumStoreOptions = storeOptions("ssl.quorum.", "true", "3.5.5")
)

// storeOptions are the rows that the client port and the quorum and admin
// ports have alike; checkClients is the default of the two options in which
// they differ.
func storeOptions(prefix, checkClients, since string) []Option {
	rows := []Option{
		{Key: "keyStore.location", Type: Path, Doc: "File with the server's key and certificate."},
		{Key: "keyStore.password", Type: Text, Secret: true, Doc: "Password of the key store."},
		{Key: "keyStore.passwordPath", Type: Path, Since: "3.8", Doc: "File whose first line is that password; wins."},
		{Key: "keyStore.type", Type: Enum, Words: storeTypes, Default: "by file name", Doc: "Format of the key store."},
		{Key: "trustStore.location", Type: Path, Doc: "File with the certificates that are trusted."},
		{Key: "trustStore.password", Type: Text, Secret: true, Doc: "Password of the trust store."},
		{Key: "trustStore.passwordPath", Type: Path, Since: "3.8", Doc: "File whose first line is that password; wins."},
		{Key: "trustStore.type", Type: Enum, Words: storeTypes, Default: "by file name", Doc: "Format of the trust store."},
		{Key: "protocol", Type: Text, Default: "TLSv1.3", Doc: "TLS version that is preferred."},
		{Key: "enabledProtocols", Type: List, Default: "TLSv1.3,TLSv1.2", Doc: "TLS versions that are spoken."},
		{Key: "ciphersuites", Type: List, Default: "those of the runtime", Doc: "Cipher suites that are offered."},
		{Key: "context.supplier.class", Type: Class, Doc: "Class that makes the TLS context."},
		{Key: "hostnameVerification", Type: Bool, Default: "true", Doc: "Check that a certificate bears the name of its host."},
		{Key: "clientHostnameVerification", Type: Bool, Default: checkClients, Doc: "Check it for the certificates of clients too."},
		{Key: "allowReverseDnsLookup", Type: Bool, Default: checkClients, Doc: "Look up the name of an address for that check."},
		{Key: "crl", Type: Bool, Default: "false", Doc: "Check revocation lists."},
		{Key: "ocsp", Type: Bool, Default: "false", Doc: "Ask for revocation by OCSP."},
		{Key: "clientAuth", Type: Enum, Words: []string{"none", "want", "need"}, Default: "need", Doc: "Whether a client must show a certificate."},
		{Key: "handshakeDetectionTimeoutMillis", Type: Int, Default: "5000", Unit: "ms", Doc: "Time in which the first bytes must tell TLS from plain."},
	}
	for i := range rows {
		o := &rows[i]
		o.Key = prefix + o.Key
		o.Status, o.Why = NotYet, noTLS
		if o.Default == "" {
			o.Default = "none"
		}
		if o.Since == "" {
			o.Since = since
		}
		o.computed = true // no default matters as long as there is no TLS
	}
	return rows
}

var storeTypes = []string{"JKS", "PEM", "PKCS12", "BCFKS"}

var saslOptions = []Option{
	{Key: "java.security.auth.login.config", Plain: true, OnlyProperty: true, Type: Path, Default: "none", computed: true, Since: "3.4",
		Doc:    "The JAAS file with users and passwords. A file that is missing or wrong stops the server; with one that lacks the section it goes on without SASL. Java's clients use DIGEST-MD5 with -Dzookeeper.fips-mode=false only.",
		fields: bind(func(c *Config) any { return &c.SASL.File })},
	{Key: "sasl.serverconfig", Type: Text, Default: "Server", Since: "3.4",
		Doc:    "Section of the JAAS file with the clients' passwords, as `user_<name>=\"<password>\"`.",
		fields: bind(func(c *Config) any { return &c.SASL.Section })},
	{Key: "SASLAuthenticationProvider.superPassword", Type: Text, Default: "none", computed: true, Since: "3.4", Secret: true,
		Doc:    "Password of the SASL user super, in place of the one in the JAAS file, where the user must be too.",
		fields: bind(func(c *Config) any { return &c.SASL.SuperPassword })},
	{Key: "kerberos.removeHostFromPrincipal", Type: Bool, Default: "false", Since: "3.4", Status: NotYet, Why: noKerberos,
		Doc: "Leave the host out of the id of a Kerberos user."},
	{Key: "kerberos.removeRealmFromPrincipal", Type: Bool, Default: "false", Since: "3.4", Status: NotYet, Why: noKerberos,
		Doc: "Leave the realm out of the id of a Kerberos user."},
	{Key: "security.auth_to_local", Type: Text, Default: "DEFAULT", Since: "3.4", Status: NotYet, Why: noKerberos,
		Doc: "Rules that turn a Kerberos principal into an id."},
	{Key: "server.realm", Type: Text, Default: "none", computed: true, Since: "3.4", Status: NotYet, Why: noKerberos, OnlyProperty: true,
		Doc: "Kerberos realm of the server. In a file the key would be taken for a server line."},
	{Key: "requireKerberosConfig", Type: Bool, Default: "false", Since: "3.4", Status: NotYet, Why: noKerberos, asks: whenTrue,
		Doc: "Refuse to start without a Kerberos configuration."},
	{Key: "kinit", Type: Path, Default: "/usr/bin/kinit", Since: "3.4", Status: NotYet, Why: noKerberos,
		Doc: "The kinit program."},
	{Key: "kerberos.minReLoginTimeMs", Type: Long, Default: "60000", Unit: "ms", Since: "3.8", Status: NotYet, Why: noKerberos,
		Doc: "Shortest time between two logins."},
	{Key: "quorum.auth.enableSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: NotYet, Why: noSASL, asks: whenTrue, member: true,
		Doc: "SASL between the members."},
	{Key: "quorum.auth.learnerRequireSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: NotYet, Why: noSASL, asks: whenTrue, member: true,
		Doc: "Authenticate to the member that is dialled; needs enableSasl."},
	{Key: "quorum.auth.serverRequireSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: NotYet, Why: noSASL, asks: whenTrue, member: true,
		Doc: "Refuse members that do not authenticate; needs the two above."},
	{Key: "quorum.auth.learner.saslLoginContext", Typed: true, Type: Text, Default: "QuorumLearner", Since: "3.4.10", Status: NotYet, Why: noSASL,
		Doc: "Section of the JAAS file used to dial."},
	{Key: "quorum.auth.server.saslLoginContext", Typed: true, Type: Text, Default: "QuorumServer", Since: "3.4.10", Status: NotYet, Why: noSASL,
		Doc: "Section of the JAAS file used to accept."},
	{Key: "quorum.auth.kerberos.servicePrincipal", Typed: true, Type: Text, Default: "zkquorum/localhost", Since: "3.4.10", Status: NotYet, Why: noKerberos,
		Doc: "Kerberos principal of the members; `_HOST` stands for the host name."},
}
