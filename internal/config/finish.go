package config

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// finish works out the values that depend on others and holds the options
// against each other.
func (p *parser) finish() {
	p.paths()
	p.clientPort()
	p.secureClientPort()
	p.sessions()
	p.limits()
	p.weights()
	p.auth()
	p.words()
	p.quorum()
	p.metricsProvider()
	p.adminServer()
}

func (p *parser) paths() {
	c := p.c
	if c.DataDir == "" {
		p.refuse(c.refuse("dataDir", "not set; write dataDir=/var/lib/zookeeper, or where else the data is to be"))
	}
	if c.DataLogDir == "" {
		c.DataLogDir = c.DataDir
	}
	for _, key := range []string{"dataDir", "dataLogDir"} {
		s, set := c.sources[table.byKey(key)]
		if !set || s.value == "" || strings.HasPrefix(s.value, "/") {
			continue
		}
		p.warn(Warning{File: s.file, Line: s.line, Key: s.shown,
			Text:   properties.Printable(s.value) + " is relative, so it depends on where the server is started",
			Advice: "write an absolute path"})
	}
}

func (p *parser) clientPort() {
	c := p.c
	if !c.Set("clientPortAddress") {
		return
	}
	if !c.Set("clientPort") {
		p.refuse(c.refuse("clientPortAddress", "needs a clientPort; write clientPort=2181"))
	}
	if c.ClientPortAddress == "" {
		c.ClientPortAddress = "127.0.0.1"
		w := c.At("clientPortAddress")
		w.Text = "empty, which is this machine's own address 127.0.0.1, as in ZooKeeper"
		w.Advice = "remove the line to serve on all addresses"
		p.warn(w)
	}
	if a := c.ClientPortAddress; strings.HasPrefix(a, "[") && strings.HasSuffix(a, "]") {
		c.ClientPortAddress = a[1 : len(a)-1]
	}
}

// secureClientPort holds the options of TLS clients against each other.
func (p *parser) secureClientPort() {
	c := p.c
	if c.Set("secureClientPortAddress") && !c.Set("secureClientPort") {
		p.refuse(c.refuse("secureClientPortAddress", "needs a secureClientPort; write secureClientPort=2281"))
	}
	if a := c.SecureClientPortAddress; strings.HasPrefix(a, "[") && strings.HasSuffix(a, "]") {
		c.SecureClientPortAddress = a[1 : len(a)-1]
	}
	if factory, _ := c.Property("zookeeper.serverCnxnFactory"); c.ClientPortUnification && !strings.Contains(factory, "Netty") {
		c.ClientPortUnification = false
		w := c.At("client.portUnification")
		w.Text = "has no effect without serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory, as in ZooKeeper"
		w.Advice = "write that line too, or secureClientPort=2281"
		p.warn(w)
	}
	if !c.ServesTLS() {
		return
	}
	wants := "secureClientPort"
	if c.SecureClientPort == NoPort {
		wants = "client.portUnification"
	}
	if c.ClientTLS.KeyStore.Location == "" {
		p.refuse(c.refuse(wants, "needs ssl.keyStore.location, the file with the server's key and certificate"))
	}
	if c.ClientTLS.TrustStore.Location == "" && c.ClientTLS.ClientAuth != "none" {
		p.refuse(c.refuse(wants, "needs ssl.trustStore.location, the file with the certificates by which clients are known; "+
			"with ssl.clientAuth=none it can be left out"))
	}
	if c.SSLAuthProvider != "x509" {
		p.refuse(c.refuse("ssl.authProvider", "none but x509 comes with ZooKeeper, and other classes cannot be loaded"))
	}
}

func (p *parser) sessions() {
	c := p.c
	// Both are 32-bit numbers in Java, so that an absurd tick overflows.
	if c.MinSessionTimeoutMs == -1 {
		c.MinSessionTimeoutMs = int(int32(2 * c.TickTimeMs))
	}
	if c.MaxSessionTimeoutMs == -1 {
		c.MaxSessionTimeoutMs = int(int32(20 * c.TickTimeMs))
	}
	if c.MinSessionTimeoutMs <= c.MaxSessionTimeoutMs {
		return
	}
	key := "minSessionTimeout"
	if !c.Set(key) {
		key = "maxSessionTimeout"
	}
	p.refuse(c.refuse(key, "minSessionTimeout is "+strconv.Itoa(c.MinSessionTimeoutMs)+" ms and maxSessionTimeout "+
		strconv.Itoa(c.MaxSessionTimeoutMs)+" ms; the first must not be larger (without a line they are 2 and 20 times tickTime)"))
}

func (p *parser) limits() {
	c := p.c
	if c.MaxWriteQueuePollTimeMs == -1 {
		c.MaxWriteQueuePollTimeMs = c.FlushDelayMs / 3
	}
	if c.JuteMaxBufferExtraBytes == -1 {
		c.JuteMaxBufferExtraBytes = max(c.JuteMaxBufferBytes, 1024)
	}
	if c.LargeRequestMaxBytes <= 0 {
		c.LargeRequestMaxBytes = 100 << 20
		p.corrected("largeRequestMaxBytes", "must be above 0, so it stays 104857600, as in ZooKeeper")
	}
	if n := c.LargeRequestThresholdBytes; n == 0 || n < -1 {
		c.LargeRequestThresholdBytes = -1
		p.corrected("largeRequestThreshold", "must be -1 or above 0, so it stays -1, as in ZooKeeper")
	}
	if c.Quorum.SnapshotSizeFactor > 1 {
		c.Quorum.SnapshotSizeFactor = 0.33
		p.corrected("snapshotSizeFactor", "must not be above 1, so it stays 0.33, as in ZooKeeper")
	}
}

// corrected warns that an option did not get the value that was written.
func (p *parser) corrected(key, text string) {
	w := p.c.At(key)
	w.Text = text
	p.warn(w)
}

// weights corrects the weights of the connection throttle as Java does, each
// against the number as it was written, and multiplies the bucket by them.
func (p *parser) weights() {
	t := &p.c.Connections
	local := t.LocalWeight
	fit := func(weight *int, name string, usual, least int) {
		key := "connection_throttle_" + name + "_session_weight"
		switch {
		case *weight <= 0:
			*weight = usual
			p.corrected(key, "must be above 0, so it stays "+strconv.Itoa(usual)+", as in ZooKeeper")
		case *weight < least:
			*weight = least
			p.corrected(key, "below the weight of a local session, so it is "+strconv.Itoa(least)+", as in ZooKeeper")
		}
	}
	fit(&t.GlobalWeight, "global", 3, local)
	fit(&t.LocalWeight, "local", 1, 0)
	fit(&t.RenewWeight, "renew", 2, local)
	if t.WeightEnabled {
		t.Tokens *= t.GlobalWeight
		t.FillCount *= t.GlobalWeight
	}
}

// The authentication providers that come with ZooKeeper, by class, with the
// schemes that they offer.
var providerSchemes = map[string]string{
	"DigestAuthenticationProvider":   "digest",
	"IPAuthenticationProvider":       "ip",
	"EnsembleAuthenticationProvider": "ensemble",
	"X509AuthenticationProvider":     "x509",
	"SASLAuthenticationProvider":     "sasl",
	"KeyAuthenticationProvider":      "key",
}

// schemeOf is the scheme of a provider class, or nothing when the class does
// not come with ZooKeeper.
func schemeOf(class string) string {
	name, ok := strings.CutPrefix(class, "org.apache.zookeeper.server.auth.")
	if !ok {
		return ""
	}
	return providerSchemes[name]
}

// saslProvider says what the scheme sasl needs beside a JAAS file.
const saslProvider = "there is no scheme sasl; write authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider as well"

func (p *parser) auth() {
	c := p.c
	schemes := map[string]bool{"ip": true, "digest": c.DigestAuthEnabled, "x509": c.ServesTLS()}
	for _, provider := range c.AuthProviders {
		schemes[schemeOf(provider.Value)] = true
	}
	if c.SASL.Required {
		c.EnforceAuthEnabled, c.EnforceAuthSchemes = true, []string{"sasl"}
		if !schemes["sasl"] {
			p.refuse(c.refuse("sessionRequireClientSASLAuth", saslProvider))
		}
	} else if c.EnforceAuthEnabled {
		if len(c.EnforceAuthSchemes) == 0 {
			p.refuse(c.refuse("enforce.auth.enabled", "needs enforce.auth.schemes; write for example enforce.auth.schemes=digest"))
		}
		for _, scheme := range c.EnforceAuthSchemes {
			switch {
			case scheme == "sasl" && !schemes[scheme]:
				p.refuse(c.refuse("enforce.auth.schemes", saslProvider))
			case !schemes[scheme]:
				p.refuse(c.refuse("enforce.auth.schemes", `there is no scheme "`+properties.Printable(scheme)+`"; allowed are digest (if it is enabled), ip, and those of authProvider lines`))
			}
		}
	}
	if c.SuperDigest != "" && !strings.HasPrefix(c.SuperDigest, "super:") {
		w := c.At("DigestAuthenticationProvider.superDigest")
		w.Text = "does not start with super:, so nobody can be the super user"
		w.Advice = "write super: and the digest of super:password"
		p.warn(w)
	}
}

// words warns about four-letter words that do not exist.
func (p *parser) words() {
	for _, word := range p.c.FourLetterWords {
		if word == "*" || contains(fourLetterWords, word) {
			continue
		}
		w := p.c.At("4lw.commands.whitelist")
		w.Text = `there is no four-letter word "` + properties.Printable(word) + `"`
		w.Advice = "there are " + strings.Join(fourLetterWords, ", ") + ", and * for all"
		p.warn(w)
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func (p *parser) quorum() {
	c := p.c
	if c.Quorum.ConnectToLearnerMasterTicks == 0 {
		c.Quorum.ConnectToLearnerMasterTicks = c.Quorum.InitLimitTicks
	}
	on := func(key string) bool { return strings.EqualFold(p.settings[key].value, "true") }
	const enable, learner, server = "quorum.auth.enableSasl", "quorum.auth.learnerRequireSasl", "quorum.auth.serverRequireSasl"
	for _, need := range []struct{ key, needs string }{{learner, enable}, {server, enable}, {server, learner}} {
		if on(need.key) && !on(need.needs) {
			p.refuse(c.refuse(need.key, "needs "+need.needs+"=true"))
		}
	}
}

func (p *parser) metricsProvider() {
	w := p.c.At("metricsProvider.className")
	switch p.c.metrics {
	case defaultMetrics, prometheusMetrics:
	case nullMetrics:
		w.Text, w.Note = "has no effect: metrics are counted all the same", true
		p.warn(w)
	default:
		p.refuse(&Error{File: w.File, Line: w.Line, Key: w.Key, Value: p.c.metrics,
			Text: "no such metrics provider; allowed is " + defaultMetrics})
	}
}

// adminServer warns once when the file counts on the HTTP admin server.
func (p *parser) adminServer() {
	c := p.c
	if s, ok := c.sources[table.byKey("admin.enableServer")]; ok && s.value == "false" {
		return
	}
	for i := range adminOptions {
		o := &adminOptions[i]
		if s, ok := c.sources[o]; ok && strings.HasPrefix(o.Key, "admin.") {
			p.warn(Warning{File: s.file, Line: s.line, Key: s.shown,
				Text:   noAdmin + ", so no port is opened for it",
				Advice: "use the four-letter words, and write admin.enableServer=false to silence this"})
			return
		}
	}
}

// families collects the options that are families of keys.
func (p *parser) families(settings []setting) {
	c := p.c
	const providers = "zookeeper.authProvider."
	for name, s := range p.properties {
		if strings.HasPrefix(name, providers) {
			c.AuthProviders = append(c.AuthProviders, Property{name, s.value})
		}
		if strings.HasPrefix(name, "zookeeper.superUser.") && s.value != "" {
			c.SASL.SuperUsers = append(c.SASL.SuperUsers, s.value)
		}
	}
	slices.Sort(c.SASL.SuperUsers)
	sort.Slice(c.AuthProviders, func(i, j int) bool {
		a, b := c.AuthProviders[i].Name[len(providers):], c.AuthProviders[j].Name[len(providers):]
		n, bad := parseNumber(a, 64, true)
		m, worse := parseNumber(b, 64, true)
		if bad == "" && worse == "" && n != m {
			return n < m
		}
		return a < b
	})
	for _, provider := range c.AuthProviders {
		p.provider(p.properties[provider.Name])
	}
	for _, s := range settings {
		if o := table.byKey(s.key); o != nil && o.Family() && o.Why != "" {
			p.note(o, s)
		}
	}
}

// provider warns about an authentication provider that cannot be had.
func (p *parser) provider(s setting) {
	w := Warning{File: s.file, Line: s.line, Key: s.shown}
	switch schemeOf(s.value) {
	case "":
		w.Text = "the class " + properties.Printable(s.value) + " does not come with ZooKeeper and cannot be loaded; its scheme is missing"
		w.Advice = "remove the line"
	case "key":
		w.Text = "ZooKeeper's example provider is not offered; its scheme is missing"
		w.Advice = "remove the line"
	default:
		return
	}
	p.warn(w)
}
