package config

import (
	"strconv"
	"strings"

	"zooid/internal/ensemble"
	"zooid/internal/properties"
)

// Risks lists what a server with this configuration would start with and its
// operator may come to regret, each with advice. It goes by the configuration
// alone; what depends on the machine (permissions, disks, ports) is looked at
// by the check-config command. Call it after Complete.
func (c *Config) Risks() []Warning {
	r := &risks{c: c}
	r.disk()
	r.safety()
	r.limits()
	r.timing()
	r.access()
	r.between()
	r.members()
	return r.all
}

type risks struct {
	c   *Config
	all []Warning
}

// add lists a risk of the option with this key.
func (r *risks) add(key, text, advice string) {
	w := r.c.At(key)
	w.Text, w.Advice = text, advice
	r.all = append(r.all, w)
}

func (r *risks) disk() {
	c := r.c
	if c.AutopurgeIntervalMs <= 0 {
		r.add("autopurge.purgeInterval", "old snapshots and logs are never removed, until the disk is full",
			"write autopurge.purgeInterval=1")
	}
	dirs := map[string]string{"dataDir": c.DataDir}
	if c.DataLogDir != c.DataDir {
		dirs["dataLogDir"] = c.DataLogDir
	}
	for _, key := range []string{"dataDir", "dataLogDir"} {
		if volatile(dirs[key]) {
			r.add(key, properties.Printable(dirs[key])+" may be emptied when the machine restarts, and all data with it",
				"write a directory such as /var/lib/zookeeper")
		}
	}
	if c.DataDir != "" && c.DataLogDir == c.DataDir {
		r.add("dataLogDir", "transaction logs and snapshots share a directory, so each snapshot slows the writes down",
			"write a dataLogDir on a disk of its own")
	}
	if c.SnapCount < 1000 {
		r.add("snapCount", "a snapshot of the whole tree every "+strconv.Itoa(c.SnapCount)+" transactions keeps the disk busy",
			"leave it at 100000")
	}
}

// volatile says whether a directory is one that systems clean up.
func volatile(dir string) bool {
	for _, top := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"} {
		if dir == top || strings.HasPrefix(dir, top+"/") {
			return true
		}
	}
	return false
}

func (r *risks) safety() {
	c := r.c
	if !c.ForceSync {
		r.add("forceSync", "writes are acknowledged before they are on the disk, so a power cut loses them", "remove it")
	}
	if c.SnapshotTrustEmpty {
		r.add("snapshot.trust.empty", "a server that has lost its snapshots starts all the same, with part of the data",
			"remove it after the upgrade for which it is meant")
	}
	if !c.DigestEnabled {
		r.add("digest.enabled", "damage to the tree goes unnoticed", "remove it")
	}
	if c.ExtendedTypesEnabled && c.ServerID > 254 {
		r.add("extendedTypesEnabled", "the server id "+strconv.FormatInt(c.ServerID, 10)+" cannot be told from a time to live in an ephemeral node's owner",
			"write an id up to 254 into myid")
	}
	if c.Emulate353TTLNodes {
		r.add("emulate353TTLNodes", "it reads the owner of some ephemeral nodes as a time to live", "remove it once no node of release 3.5.3 is left")
	}
}

func (r *risks) limits() {
	c := r.c
	if c.ClientPort == NoPort && !c.Set("clientPort") {
		r.add("clientPort", "not set, so no client can connect", "write clientPort=2181")
	}
	if c.MaxClientCnxns <= 0 {
		r.add("maxClientCnxns", "one client that keeps connecting can use up all connections", "write for example maxClientCnxns=500")
	}
	switch n := c.JuteMaxBufferBytes; {
	case n > 8<<20:
		r.add("jute.maxbuffer", "requests of up to "+strconv.Itoa(n)+" bytes stall everyone else and take memory; clients need the same setting",
			"keep large values elsewhere and leave it at 1048575")
	case n < 4096:
		r.add("jute.maxbuffer", "requests of more than "+strconv.Itoa(n)+" bytes are cut off, lists of watches to set again among them", "leave it at 1048575")
	}
	if c.GlobalOutstandingLimit < 10 {
		r.add("globalOutstandingLimit", "clients have to wait with nearly every request", "leave it at 1000")
	}
}

func (r *risks) timing() {
	c := r.c
	if c.TickTimeMs < 200 {
		r.add("tickTime", strconv.Itoa(c.TickTimeMs)+" ms make sessions expire at the least delay", "write tickTime=2000")
	}
	if c.MinSessionTimeoutMs < 1000 {
		r.add("minSessionTimeout", "clients may ask for a session timeout of "+strconv.Itoa(c.MinSessionTimeoutMs)+" ms, which any pause outlasts",
			"write minSessionTimeout=4000")
	}
	if c.MaxSessionTimeoutMs > 10*60*1000 {
		r.add("maxSessionTimeout", "locks of a dead client may be held for "+strconv.Itoa(c.MaxSessionTimeoutMs/1000)+" s",
			"write maxSessionTimeout=40000")
	}
	if c.FlushDelayMs > 100 {
		r.add("flushDelay", "every write may wait "+strconv.FormatInt(c.FlushDelayMs, 10)+" ms", "remove it")
	}
}

func (r *risks) access() {
	c := r.c
	if c.SkipACL {
		r.add("skipACL", "no ACL is checked: every client may read and change everything", "remove it")
	}
	for _, word := range c.FourLetterWords {
		if word == "*" {
			r.add("4lw.commands.whitelist", "all four-letter words are answered to anyone, wchp and wchc, which stall a busy server, and srst and crst among them",
				"list those that are needed, such as srvr,mntr,ruok,conf,isro")
		}
	}
	if c.DigestAlgorithm == "MD5" {
		r.add("DigestAuthenticationProvider.digestAlg", "MD5 is a weak hash", "use SHA-256, unless stored ACLs need it")
	}
}

// between lists what lets strangers in between the members.
func (r *risks) between() {
	c := r.c
	q := &c.Quorum
	if c.Mode() != Distributed {
		return
	}
	if q.SSLQuorum && q.PortUnification {
		r.add("portUnification", "members may still connect without TLS", "remove it once all members run with sslQuorum=true")
	}
	if c.MembersTLS() && q.TLS.ClientAuth != "need" {
		r.add("ssl.quorum.clientAuth", "who has no certificate may connect as a member", "remove it")
	}
	if q.Auth.Enabled && !q.Auth.ServerRequired {
		r.add("quorum.auth.serverRequireSasl", "members that do not authenticate may still connect",
			"write quorum.auth.serverRequireSasl=true once all members run with quorum.auth.learnerRequireSasl=true")
	}
}

func (r *risks) members() {
	m := r.c.Members
	line := func(one Member, text, advice string) {
		r.all = append(r.all, Warning{File: m.File, Line: one.Line, Key: "server." + strconv.FormatInt(one.ID, 10), Text: text, Advice: advice})
	}
	seen := map[string]Member{}
	for _, one := range m.Members {
		if one.ID < 1 || one.ID > 255 {
			line(one, "the number "+strconv.FormatInt(one.ID, 10)+" is outside 1 to 255, so session ids of two servers may collide", "number the servers from 1")
		}
		for _, at := range endpoints(one) {
			if other, ok := seen[at]; ok {
				line(one, properties.Printable(at)+" is also an address of server."+strconv.FormatInt(other.ID, 10), "give every server addresses and ports of its own")
				continue
			}
			seen[at] = one
		}
	}
	if _, ok := m.Member(r.c.ServerID); !ok && r.c.ServerID != NoID && len(m.Members) > 0 {
		r.all = append(r.all, Warning{File: m.File, Line: m.FirstLine,
			Text:   "there is no server." + strconv.FormatInt(r.c.ServerID, 10) + " for the number in myid, so no server line is this server's own",
			Advice: "write the number of the own line into myid"})
	}
	if r.c.ServerID == NoID && r.c.Mode() == Standalone && len(m.Members) > 0 {
		w := Warning{File: m.File, Line: m.FirstLine,
			Text:   "there are server lines but no myid file; a standalone server runs without, an ensemble does not",
			Advice: "write the number of the own line into " + properties.Printable(strings.TrimSuffix(r.c.DataDir, "/")) + "/myid"}
		if r.c.ClientPort == NoPort {
			w.Text = "without a myid file the client port of the server line does not count"
		}
		r.all = append(r.all, w)
	}
}

// endpoints are the addresses at which a member listens.
func endpoints(m Member) []string {
	var all []string
	for _, a := range m.Addresses {
		for _, port := range []int{a.QuorumPort, a.ElectionPort} {
			all = append(all, ensemble.Bracketed(strings.ToLower(a.Host))+":"+strconv.Itoa(port))
		}
	}
	if m.ClientPort > 0 && !wildcard(m.ClientHost) {
		all = append(all, ensemble.Bracketed(strings.ToLower(m.ClientHost))+":"+strconv.Itoa(m.ClientPort))
	}
	return all
}
