package config

var tlsOptions = []Option{
	{Key: "secureClientPort", Typed: true, Type: Port, Default: "none", computed: true, Since: "3.5.1", Range: between(0, 65535),
		Doc:    "Port for clients that speak TLS, beside clientPort or instead of it; needs a key store. 0 takes any free port.",
		fields: bind(func(c *Config) any { return &c.SecureClientPort })},
	{Key: "secureClientPortAddress", Typed: true, Type: Host, Default: "all addresses", computed: true, Since: "3.5.1",
		Doc:    "Address on which TLS clients are served; needs secureClientPort.",
		fields: bind(func(c *Config) any { return &c.SecureClientPortAddress })},
	{Key: "client.portUnification", Type: Bool, Default: "false", Since: "3.7.0",
		Doc:    "Serve plain and TLS clients on the client port. As in ZooKeeper it counts with the Netty serverCnxnFactory only.",
		fields: bind(func(c *Config) any { return &c.ClientPortUnification })},
	{Key: "client.certReload", Type: Bool, Default: "false", Since: "3.9",
		Doc:    "Read the key and trust stores of the client port again when they change; connections stay.",
		fields: bind(func(c *Config) any { return &c.ClientCertReload })},
	{Key: "sslQuorum", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: Ensemble,
		Doc:    "TLS on the quorum and election ports; needs the two stores of ssl.quorum.",
		fields: bind(func(c *Config) any { return &c.Quorum.SSLQuorum })},
	{Key: "portUnification", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: Ensemble,
		Doc:    "Accept plain and TLS connections on the quorum and election ports.",
		fields: bind(func(c *Config) any { return &c.Quorum.PortUnification })},
	{Key: "sslQuorumReloadCertFiles", Typed: true, Type: Bool, Default: "false", Since: "3.5.5", Status: Ensemble,
		Doc:    "Read the quorum key and trust stores again when they change; connections stay.",
		fields: bind(func(c *Config) any { return &c.Quorum.SSLQuorumReloadCertFiles })},
	{Key: "fips-mode", Type: Bool, Default: "true", Since: "3.9",
		Doc:    "Members do not authenticate themselves with DIGEST-MD5 if this is set to true; not set, they do. Host names are held against certificates either way.",
		fields: bind(func(c *Config) any { return &c.FIPSMode })},
	{Key: "ssl.sslProvider", Type: Enum, Words: []string{"JDK", "OPENSSL", "OPENSSL_REFCNT"}, Default: "JDK", Since: "3.9", Status: NoEffect, Why: "there is one implementation of TLS",
		Doc: "TLS implementation of the client port."},
}

var (
	clientStoreOptions = storeOptions(tlsRows{prefix: "ssl.", since: "3.5.1", checkClients: "false", protocols: "that of protocol",
		set: func(c *Config) *TLS { return &c.ClientTLS }, serves: (*Config).ServesTLS})
	quorumStoreOptions = storeOptions(tlsRows{prefix: "ssl.quorum.", since: "3.5.5", checkClients: "true", protocols: "TLSv1.3,TLSv1.2",
		member: true,
		set:    func(c *Config) *TLS { return &c.Quorum.TLS }, serves: (*Config).MembersTLS})
)

// tlsRows are in what the rows of the client port differ from those of the ports
// between members.
type tlsRows struct {
	prefix, since string
	checkClients  string // default of the two options about the hosts of those who dial
	protocols     string // default of enabledProtocols
	member        bool
	set           func(*Config) *TLS
	serves        func(*Config) bool // whether the settings are used at all
}

// storeOptions are the rows of a set of TLS properties.
func storeOptions(r tlsRows) []Option {
	const computed = true
	in := func(field func(*TLS) any) []func(*Config) any {
		return bind(func(c *Config) any { return field(r.set(c)) })
	}
	rows := append(storeRows("key", "File with the server's key and certificate.", in, func(t *TLS) *TLSStore { return &t.KeyStore }),
		storeRows("trust", "File with the certificates that are trusted.", in, func(t *TLS) *TLSStore { return &t.TrustStore })...)
	rows = append(rows, []Option{
		{Key: "protocol", Type: Text, Default: "TLSv1.3", Doc: "TLS version that is preferred.",
			fields: in(func(t *TLS) any { return &t.Protocol })},
		{Key: "enabledProtocols", Type: List, Default: r.protocols, computed: computed, Doc: "TLS versions that are spoken.",
			fields: in(func(t *TLS) any { return &t.EnabledProtocols })},
		{Key: "ciphersuites", Type: List, Default: "those of the runtime", computed: computed, Doc: "Cipher suites that are spoken. Those of TLSv1.3 are spoken all or not at all.",
			fields: in(func(t *TLS) any { return &t.CipherSuites })},
		{Key: "context.supplier.class", Type: Class, Default: "none", computed: computed, Status: NotYet, Why: "classes of Java are not loaded",
			Doc: "Class that makes the TLS context.", asks: func(c *Config, value string) bool { return value != "" && r.serves(c) }, member: r.member},
		{Key: "hostnameVerification", Type: Bool, Default: "true", Doc: "Check that a certificate bears the name of its host.",
			fields: in(func(t *TLS) any { return &t.HostnameVerification })},
		{Key: "clientHostnameVerification", Type: Bool, Default: r.checkClients, Doc: "Check it for the certificates of clients too.",
			fields: in(func(t *TLS) any { return &t.ClientHostnameVerification })},
		{Key: "allowReverseDnsLookup", Type: Bool, Default: r.checkClients, Doc: "Look up the name of an address for that check.",
			fields: in(func(t *TLS) any { return &t.AllowReverseDNS })},
		{Key: "crl", Type: Bool, Default: "false", Status: NotYet, Why: noRevocation, Doc: "Check revocation lists.",
			asks: func(c *Config, value string) bool { return whenTrue(c, value) && r.serves(c) }, member: r.member,
			fields: in(func(t *TLS) any { return &t.CRL })},
		{Key: "ocsp", Type: Bool, Default: "false", Status: NotYet, Why: noRevocation, Doc: "Ask for revocation by OCSP.",
			asks: func(c *Config, value string) bool { return whenTrue(c, value) && r.serves(c) }, member: r.member,
			fields: in(func(t *TLS) any { return &t.OCSP })},
		{Key: "clientAuth", Type: Enum, Words: []string{"none", "want", "need"}, Default: "need", Doc: "Whether a client must show a certificate.",
			fields: in(func(t *TLS) any { return &t.ClientAuth })},
		{Key: "handshakeDetectionTimeoutMillis", Type: Int, Default: "5000", Unit: "ms", Doc: "Time in which the first bytes must tell TLS from plain.",
			fields: in(func(t *TLS) any { return &t.HandshakeDetectionTimeoutMs })},
	}...)
	for i := range rows {
		o := &rows[i]
		o.Key = r.prefix + o.Key
		if o.Since == "" {
			o.Since = r.since
		}
		if r.member && o.Status == Honoured {
			o.Status = Ensemble
		}
	}
	return rows
}

// noRevocation says why crl and ocsp are refused.
const noRevocation = "whether a certificate is revoked is not checked in this release"

// storeRows are the rows of a key store or a trust store.
func storeRows(kind, doc string, in func(func(*TLS) any) []func(*Config) any, of func(*TLS) *TLSStore) []Option {
	const computed = true
	return []Option{
		{Key: kind + "Store.location", Type: Path, Default: "none", computed: computed, Doc: doc,
			fields: in(func(t *TLS) any { return &of(t).Location })},
		{Key: kind + "Store.password", Type: Text, Secret: true, Default: "none", computed: computed, Doc: "Password of the " + kind + " store.",
			fields: in(func(t *TLS) any { return &of(t).Password })},
		{Key: kind + "Store.passwordPath", Type: Path, Default: "none", computed: computed, Since: "3.8", Doc: "File that holds that password; wins.",
			fields: in(func(t *TLS) any { return &of(t).PasswordPath })},
		{Key: kind + "Store.type", Type: Enum, Words: storeTypes, Default: "by file name", computed: computed,
			Doc: "Format of the " + kind + " store. BCFKS cannot be read here.", fields: in(func(t *TLS) any { return &of(t).Type })},
	}
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
	{Key: "quorum.auth.enableSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: Ensemble,
		Doc:    "SASL between the members, with the mechanism DIGEST-MD5; needs a JAAS file.",
		fields: bind(func(c *Config) any { return &c.Quorum.Auth.Enabled })},
	{Key: "quorum.auth.learnerRequireSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: Ensemble,
		Doc:    "Authenticate to the member that is dialled; needs enableSasl.",
		fields: bind(func(c *Config) any { return &c.Quorum.Auth.LearnerRequired })},
	{Key: "quorum.auth.serverRequireSasl", Typed: true, Type: Bool, Default: "false", Since: "3.4.10", Status: Ensemble,
		Doc:    "Refuse members that do not authenticate; needs the two above.",
		fields: bind(func(c *Config) any { return &c.Quorum.Auth.ServerRequired })},
	{Key: "quorum.auth.learner.saslLoginContext", Typed: true, Type: Text, Default: "QuorumLearner", Since: "3.4.10", Status: Ensemble,
		Doc:    "Section of the JAAS file used to dial.",
		fields: bind(func(c *Config) any { return &c.Quorum.Auth.LearnerContext })},
	{Key: "quorum.auth.server.saslLoginContext", Typed: true, Type: Text, Default: "QuorumServer", Since: "3.4.10", Status: Ensemble,
		Doc:    "Section of the JAAS file used to accept.",
		fields: bind(func(c *Config) any { return &c.Quorum.Auth.ServerContext })},
	{Key: "quorum.auth.kerberos.servicePrincipal", Typed: true, Type: Text, Default: "zkquorum/localhost", Since: "3.4.10", Status: NotYet, Why: noKerberos,
		Doc: "Kerberos principal of the members; `_HOST` stands for the host name."},
}
