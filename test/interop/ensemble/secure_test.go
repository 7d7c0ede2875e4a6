package ensemble

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/internal/wire"
	"zooid/test/certs"
	"zooid/test/interop/harness"
	"zooid/zk"
)

// credentials are the stores and the JAAS file of one test's members.
type credentials struct {
	t   *testing.T
	dir string
	ca  *certs.Pair
}

// hosts are all addresses that members have in tests.
var hosts = []string{"localhost", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}

func newCredentials(t *testing.T) *credentials {
	t.Helper()
	c := &credentials{t: t, dir: t.TempDir(), ca: certs.Authority(t, "members")}
	for id := 1; id <= 5; id++ {
		c.renew(id, c.ca)
	}
	certs.Trust(t, c.file("trust.jks"), c.ca)
	c.jaas("jaas.conf", "among us")
	return c
}

func (c *credentials) file(name string) string { return filepath.Join(c.dir, name) }

// renew gives a member a certificate of an authority.
func (c *credentials) renew(id int, ca *certs.Pair) {
	name := fmt.Sprintf("member%d", id)
	ca.Issue(c.t, name, certs.Hosts(hosts...)).Keys(c.t, c.file(name+".jks"))
}

// jaas writes a JAAS file with one user.
func (c *credentials) jaas(name, password string) {
	const module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
	text := fmt.Sprintf("QuorumServer {\n  %s user_member=%q;\n};\nQuorumLearner {\n  %s username=\"member\" password=%q;\n};\n",
		module, password, module, password)
	if err := os.WriteFile(c.file(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// stores are the lines that name the stores of a member.
func (c *credentials) stores(keys, trust string) []string {
	return []string{
		"ssl.quorum.keyStore.location=" + c.file(keys), "ssl.quorum.keyStore.password=" + certs.Password,
		"ssl.quorum.trustStore.location=" + c.file(trust), "ssl.quorum.trustStore.password=" + certs.Password,
	}
}

// property names a JAAS file.
func (c *credentials) property(jaas string) []string {
	return []string{"java.security.auth.login.config=" + c.file(jaas)}
}

var saslLines = []string{
	"quorum.auth.enableSasl=true", "quorum.auth.learnerRequireSasl=true", "quorum.auth.serverRequireSasl=true",
	"fips-mode=false", // or Apache's server has no DIGEST-MD5
}

// options are those of an ensemble that is secured.
func (c *credentials) options(kinds []harness.Kind, tls, sasl bool) harness.EnsembleOptions {
	opt := harness.EnsembleOptions{Kinds: kinds, Own: map[int]harness.OwnLines{}}
	if sasl {
		opt.Lines, opt.Properties = slices.Clone(saslLines), c.property("jaas.conf")
	}
	if tls {
		opt.Lines = append(opt.Lines, "sslQuorum=true")
		for id := 1; id <= 5; id++ {
			opt.Own[id] = harness.OwnLines{Lines: c.stores(fmt.Sprintf("member%d.jks", id), "trust.jks")}
		}
	}
	return opt
}

// mixed runs a test for ensembles in which both implementations are, whatever
// -ensembles says, and for one of ours alone.
func mixed(t *testing.T, test func(t *testing.T, kinds []harness.Kind), list ...string) {
	t.Helper()
	harness.Gate(t)
	for _, pattern := range list {
		kinds, _ := parsePattern(pattern)
		t.Run(pattern, func(t *testing.T) { test(t, kinds) })
	}
}

// TestSecured: members that are secured elect, follow and serve, with a leader
// of either kind, and go on when it is gone.
func TestSecured(t *testing.T) {
	for _, how := range []struct {
		name      string
		tls, sasl bool
		list      []string
	}{
		{"TLS", true, false, []string{"JJZ", "ZZJ"}},
		{"SASL", false, true, []string{"JJZ", "ZZJ"}},
		{"both", true, true, []string{"ZZZ", "JZJ"}},
	} {
		t.Run(how.name, func(t *testing.T) {
			mixed(t, func(t *testing.T, kinds []harness.Kind) {
				e := harness.StartEnsemble(t, newCredentials(t).options(kinds, how.tls, how.sasl))
				l := startLoad(t, e, 2, steadily)
				l.more(100)
				first := e.WaitRoles()
				first.Kill()
				e.WaitRoles()
				l.more(100)
				first.Wipe() // a snapshot has to come over
				first.Launch()
				e.WaitRoles()
				l.more(100)
				l.check(e)
				checkEqual(t, e)
			}, how.list...)
		})
	}
}

// TestSecuredObserverMaster: observers that learn from followers do so over what
// is secured too.
func TestSecuredObserverMaster(t *testing.T) {
	mixed(t, func(t *testing.T, kinds []harness.Kind) {
		opt := newCredentials(t).options(append(slices.Clone(kinds), harness.Java, harness.Zooid), true, true)
		opt.Observers, opt.ObserverMasters = []int{4, 5}, true
		e := harness.StartEnsemble(t, opt)
		checkMasters(t, e)
		writesEverywhere(t, e)
		checkEqual(t, e)
	}, "JZZ", "ZZJ")
}

// TestSecuredJoiner: a server that no server line names yet joins, known by its
// address and the password.
func TestSecuredJoiner(t *testing.T) {
	mixed(t, func(t *testing.T, kinds []harness.Kind) {
		opt := newCredentials(t).options(kinds, true, true)
		more := reconfigurable(kinds)
		opt.Lines, opt.Properties = append(opt.Lines, more.Lines...), append(opt.Properties, more.Properties...)
		opt.Joiners = []int{4}
		e := harness.StartEnsemble(t, opt)
		joiner := e.Member(4)
		joiner.Launch()
		waitRole(t, joiner, "follower")
		c := dial(t, e.Member(1).Addr())
		reconfig(t, c, zk.Change{Joining: joiner.ReconfigLine("participant")})
		e.WaitRoles()
		e.Leader().Restart()
		e.WaitRoles()
		writesEverywhere(t, e)
		checkEqual(t, e)
	}, "ZZZZ", "JZJZ", "ZZJJ")
}

// TestSecuredStepByStep: an ensemble without security has TLS and SASL after
// three rounds of restarts, and clients that write all the time lose nothing.
func TestSecuredStepByStep(t *testing.T) {
	mixed(t, func(t *testing.T, kinds []harness.Kind) {
		c := newCredentials(t)
		e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds})
		l := startLoad(t, e, 2, slowly)
		for i, step := range [][]string{
			{"portUnification=true", "quorum.auth.enableSasl=true", "fips-mode=false"},
			{"sslQuorum=true", "quorum.auth.learnerRequireSasl=true"},
			{"portUnification=false", "quorum.auth.serverRequireSasl=true"},
		} {
			mark := l.mark()
			for _, m := range append(e.Followers(), e.Leader()) {
				if i == 0 {
					step = append(step, c.stores(fmt.Sprintf("member%d.jks", m.ID), "trust.jks")...)
				}
				m.Extend(step, c.property("jaas.conf"))
				m.Restart()
				now := e.WaitRoles()
				harness.Until(t, "the leader counts all followers as synced", now.Done(), func() bool {
					return now.Metric("zk_synced_followers") == "2"
				})
				l.more(10)
			}
			t.Logf("step %d: at most %v without an acknowledged write", i+1, l.gapSince(mark))
		}
		for _, m := range e.Members() {
			takesNobodyPlain(t, m)
		}
		l.check(e)
		checkEqual(t, e)
	}, "ZZZ", "JZZ")
}

// takesNobodyPlain fails unless the election port of a member closes connections
// without TLS.
func takesNobodyPlain(t *testing.T, m *harness.Member) {
	t.Helper()
	nc, err := net.Dial("tcp", m.ElectionAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	hello := wire.Hello{SID: 9, Addresses: []string{"127.0.0.1:1"}}
	_ = nc.SetDeadline(time.Now().Add(harness.Patience))
	_, _ = nc.Write(hello.Append(nil))
	if n, err := nc.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("member %d (%s) keeps a connection without TLS", m.ID, m.Kind())
	}
}

// TestStrangersWithoutCredentials: who lacks what members have neither joins nor
// disturbs, and the members say in their logs what it lacks.
func TestStrangersWithoutCredentials(t *testing.T) {
	for _, bad := range []harness.Kind{harness.Zooid, harness.Java} {
		t.Run(string(bad), func(t *testing.T) {
			mixed(t, func(t *testing.T, kinds []harness.Kind) { besiegeSecured(t, kinds, bad) }, "ZZZ")
		})
	}
}

func besiegeSecured(t *testing.T, kinds []harness.Kind, bad harness.Kind) {
	c := newCredentials(t)
	other := certs.Authority(t, "others")
	certs.Trust(t, c.file("both.jks"), c.ca, other)
	other.Issue(t, "stranger", certs.Hosts(hosts...)).Keys(t, c.file("other.jks"))
	c.ca.Issue(t, "elsewhere", certs.Hosts("elsewhere.test")).Keys(t, c.file("elsewhere.jks"))
	c.jaas("wrong.conf", "not among us")
	e := harness.StartEnsemble(t, c.options(kinds, true, true))
	stranger := e.Member(3)
	stranger.Stop()
	leader := e.WaitRoles()
	stranger.Replace(bad)
	l := startLoad(t, e, 2, steadily)
	before := epoch(t, leader)
	for i, lacks := range []struct {
		lines, properties []string
		said              string
	}{
		{[]string{"sslQuorum=false"}, nil, "it does not speak TLS"},
		{c.stores("other.jks", "both.jks"), nil, "it has no certificate that an authority"},
		{c.stores("elsewhere.jks", "both.jks"), nil, "elsewhere.test, nor for a host of the server lines"},
		{nil, c.property("wrong.conf"), "the password is not that of the server"},
		{[]string{"quorum.auth.serverRequireSasl=false", "quorum.auth.learnerRequireSasl=false"}, nil, "it does not authenticate itself"},
	} {
		stranger.Extend(slices.Concat([]string{"sslQuorum=true"}, c.stores("member3.jks", "trust.jks"), saslLines, lacks.lines),
			slices.Concat(lacks.properties, c.property("jaas.conf"))[:1])
		heard := len(leader.Output())
		stranger.Launch()
		harness.Until(t, "the leader says "+lacks.said, leader.Done(), func() bool {
			return strings.Contains(leader.Output()[heard:], lacks.said)
		})
		l.more(50)
		if role := stranger.Role(); role != "" {
			t.Errorf("%s, and yet it is a %s", lacks.said, role)
		}
		if i == 1 {
			// An election in which the stranger would win, if it were heard.
			leader.Restart()
			l.more(50)
			before++
		}
		stranger.Kill()
		if leader = e.WaitRoles(); epoch(t, leader) != before {
			t.Errorf("the epoch is %d, was %d", epoch(t, leader), before)
		}
	}
	stranger.Extend(slices.Concat(c.stores("member3.jks", "trust.jks"), saslLines), c.property("jaas.conf"))
	stranger.Launch()
	e.WaitRoles()
	l.check(e)
	checkEqual(t, e)
}

// TestCertificatesRenewed: members take new certificates under way, and the
// connections that they have stay.
func TestCertificatesRenewed(t *testing.T) {
	mixed(t, func(t *testing.T, kinds []harness.Kind) {
		c := newCredentials(t)
		opt := c.options(kinds, true, false)
		opt.Lines = append(opt.Lines, "sslQuorumReloadCertFiles=true")
		e := harness.StartEnsemble(t, opt)
		leader := e.WaitRoles()
		before := epoch(t, leader)
		next := certs.Authority(t, "next")
		renewed := func(times int) {
			for _, m := range e.Members() {
				harness.Until(t, fmt.Sprintf("member %d reads its stores again", m.ID), m.Done(), func() bool {
					return strings.Count(m.Output(), "TLS stores read again") >= times
				})
			}
		}
		certs.Trust(t, c.file("trust.jks"), c.ca, next)
		renewed(1)
		for _, m := range e.Members() {
			c.renew(m.ID, next)
		}
		renewed(2)
		certs.Trust(t, c.file("trust.jks"), next)
		renewed(3)
		if now := e.WaitRoles(); now != leader || epoch(t, now) != before {
			t.Error("the ensemble has elected anew")
		}
		follower := e.Followers()[0]
		follower.Restart()
		e.WaitRoles()
		writesEverywhere(t, e)
	}, "ZZZ")
}
