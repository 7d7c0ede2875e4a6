package config

import (
	"strconv"
	"strings"

	"zooid/internal/ensemble"
	"zooid/internal/properties"
)

// Complete adds what stands outside the main file: the server id from myid
// (NoID without the file) and, when DynamicFile is set, the membership that
// ParseDynamic read from it. It then decides what those decide: the client
// port from the own server line, the role, the mode, and whether an ensemble
// has what it needs. Errors are of type Errors.
func (c *Config) Complete(myID int64, dynamic *Membership) ([]Warning, error) {
	p := &parser{c: c, settings: map[string]setting{}}
	c.ServerID = myID
	switch {
	case dynamic != nil:
		c.Members = dynamic
		p.membership()
	case c.DynamicFile != "":
		p.refuse(c.refuse("dynamicConfigFile", "the file could not be read; it holds the server lines"))
	}
	p.ownLine()
	p.samePort()
	if c.Mode() == Distributed && len(c.Members.Voters()) > 0 {
		p.ensemble()
	}
	return inOrder(p.warnings), p.errs.orNil()
}

// ownLine takes the client port and the role from the own server line.
func (p *parser) ownLine() {
	c := p.c
	own, ok := c.Members.Member(c.ServerID)
	role := "participant" // also of a server without a line, as in ZooKeeper
	if own.Observer {
		role = "observer"
	}
	if role != c.Quorum.PeerType && c.Set("peerType") && len(c.Members.Members) > 0 {
		w := c.At("peerType")
		w.Text = c.Quorum.PeerType + " here, but by the server lines this server is a " + role + ", which counts"
		p.warn(w)
	}
	c.Quorum.PeerType = role
	if !ok || own.ClientPort == NoPort {
		return
	}
	if c.ClientPort != NoPort {
		p.sameClientPort(own)
	}
	c.ClientPort, c.ClientPortAddress = own.ClientPort, own.ClientHost
}

// sameClientPort holds clientPort and clientPortAddress against the client
// part of the own server line.
func (p *parser) sameClientPort(own Member) {
	c := p.c
	static := c.ClientPortAddress
	if static == "" {
		static = "0.0.0.0"
	}
	ours := ensemble.Bracketed(static) + ":" + strconv.Itoa(c.ClientPort)
	line := ensemble.Bracketed(own.ClientHost) + ":" + strconv.Itoa(own.ClientPort)
	differ := c.ClientPort != own.ClientPort
	if !wildcard(static) && !strings.EqualFold(static, own.ClientHost) {
		if literal(static) && literal(own.ClientHost) {
			differ = true
		} else if !differ {
			w := c.At("clientPortAddress")
			w.Text = properties.Printable(static) + " here, and the server line has " + properties.Printable(own.ClientHost) +
				", which counts; ZooKeeper refuses to start if the two are not the same address"
			w.Advice = "write it in one place"
			p.warn(w)
		}
	}
	if !differ {
		return
	}
	key := "server." + strconv.FormatInt(own.ID, 10)
	p.refuse(c.refuse("clientPort", "clients are served on "+properties.Printable(ours)+" here, but on "+properties.Printable(line)+" by "+
		key+" in "+place(c.Members.File, own.Line, "")+"write the port in one of the two places"))
}

// samePort refuses a port for TLS clients that is the one of the plain ones too.
func (p *parser) samePort() {
	c := p.c
	plain, secure := c.ClientPortAddress, c.SecureClientPortAddress
	all := plain == "" || secure == "" || wildcard(plain) || wildcard(secure)
	if c.SecureClientPort > 0 && c.SecureClientPort == c.ClientPort && (all || strings.EqualFold(plain, secure)) {
		p.refuse(c.refuse("secureClientPort", "plain clients are served on this port; write another one, or client.portUnification=true without this line"))
	}
}

// wildcard says whether a host stands for all addresses.
func wildcard(host string) bool {
	return strings.Trim(host, "0:.") == "" && host != ""
}

// literal says whether a host is an address and not a name.
func literal(host string) bool {
	return strings.IndexByte(host, ':') >= 0 || strings.Trim(host, "0123456789.") == ""
}

// ensemble refuses an ensemble that lacks what it needs.
func (p *parser) ensemble() {
	c := p.c
	if c.Quorum.InitLimitTicks == 0 {
		p.refuse(c.refuse("initLimit", "not set, and an ensemble needs it; write for example initLimit=10"))
	}
	if c.Quorum.SyncLimitTicks == 0 {
		p.refuse(c.refuse("syncLimit", "not set, and an ensemble needs it; write for example syncLimit=5"))
	}
	if c.ServerID == NoID {
		p.refuse(&Error{File: strings.TrimSuffix(c.DataDir, "/") + "/myid",
			Text: "the file is missing or holds -1; write the number N of the own server.N line into it"})
	}
	if _, ok := c.Members.Member(c.ServerID); !ok && c.ServerID != NoID {
		id := strconv.FormatInt(c.ServerID, 10)
		p.refuse(&Error{File: c.Members.File, Line: c.Members.FirstLine, Text: "there is no server." + id + " line, but the myid file in " +
			c.DataDir + " says that this server is number " + id + "; write the number of the own line into it"})
	}
	if c.ExtendedTypesEnabled && c.ServerID > 254 {
		p.refuse(c.refuse("extendedTypesEnabled", "needs a server id up to 254, and myid says "+strconv.FormatInt(c.ServerID, 10)))
	}
	p.memberTLS()
	p.memberSASL()
	p.notYet(true)
}

// memberTLS holds the options of TLS between members against each other.
func (p *parser) memberTLS() {
	c := p.c
	q := &c.Quorum
	switch {
	case q.SSLQuorum && q.TLS.KeyStore.Location == "":
		p.refuse(c.refuse("sslQuorum", "needs ssl.quorum.keyStore.location, the file with the server's key and certificate"))
	case q.PortUnification && q.TLS.KeyStore.Location == "":
		w := c.At("portUnification")
		w.Text = "without ssl.quorum.keyStore.location no member can speak TLS to this one"
		w.Advice = "set the stores of ssl.quorum, or remove the line"
		p.warn(w)
	}
	if c.MembersTLS() && q.TLS.TrustStore.Location == "" {
		key := "sslQuorum"
		if !q.SSLQuorum {
			key = "portUnification"
		}
		p.refuse(c.refuse(key, "needs ssl.quorum.trustStore.location, the file with the certificates by which the members are known"))
	}
}

// memberSASL holds the options of SASL between members against each other.
func (p *parser) memberSASL() {
	c := p.c
	if !c.Quorum.Auth.Enabled {
		return
	}
	if _, named := c.JAASFile(); !named {
		p.refuse(c.refuse("quorum.auth.enableSasl", "needs a JAAS file; set -Djava.security.auth.login.config=/etc/zookeeper/jaas.conf in SERVER_JVMFLAGS"))
	}
	if c.Quorum.Auth.LearnerRequired && c.Set("fips-mode") && c.FIPSMode {
		p.refuse(c.refuse("fips-mode", "forbids DIGEST-MD5, which is how members authenticate with quorum.auth.learnerRequireSasl=true; "+
			"remove the line, write fips-mode=false, or have the members know each other by TLS alone"))
	}
}

// membership holds the server, group and weight lines against each other.
func (p *parser) membership() {
	m, c := p.c.Members, p.c
	p.multipleAddresses()
	p.groups()
	voters, observers := len(m.Voters()), len(m.Observers())
	refuse := func(text string) { p.refuse(&Error{File: m.File, Line: m.FirstLine, Text: text}) }
	warn := func(text, advice string, note bool) {
		p.warn(Warning{File: m.File, Line: m.FirstLine, Text: text, Advice: advice, Note: note})
	}
	switch {
	case voters == 0 && !c.StandaloneEnabled:
		p.refuse(c.refuse("standaloneEnabled", "needs at least one participant; write its server line, or remove this one"))
	case voters == 0 && observers > 0, voters == 1 && observers > 0 && c.StandaloneEnabled:
		refuse("observers need an ensemble with more than one participant; write the server lines of the participants")
	case voters == 0:
	case voters == 1 && c.StandaloneEnabled:
		warn("only one server line, so the server runs standalone; of the line only the client port counts", "", true)
	case voters <= 2:
		warn("with "+strconv.Itoa(voters)+" voting servers no server may fail", "run at least 3", false)
	case voters%2 == 0:
		warn(strconv.Itoa(voters)+" voting servers tolerate no more failures than "+strconv.Itoa(voters-1), "run an odd number", false)
	}
}

func (p *parser) multipleAddresses() {
	m := p.c.Members
	for _, one := range m.Members {
		if len(one.Addresses) > 1 && !p.c.Quorum.MultiAddressEnabled {
			p.refuse(&Error{File: m.File, Line: one.Line, Key: "server." + strconv.FormatInt(one.ID, 10),
				Text: strconv.Itoa(len(one.Addresses)) + " addresses; write multiAddress.enabled=true, or keep one"})
		}
	}
}

// groups checks hierarchical quorums: everyone who votes in exactly one group.
func (p *parser) groups() {
	m := p.c.Members
	for _, problem := range m.GroupProblems() {
		p.refuseMembers(problem, m.File)
	}
}
