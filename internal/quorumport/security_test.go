package quorumport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/internal/wire"
)

// authority is who signs the certificates of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	last int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	var der []byte
	der, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign})
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.last++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(a.last), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// member is a certificate of a server on loopback.
func (a *authority) member(name string) tls.Certificate {
	der, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tls is what a server with that certificate does.
func (a *authority) tls(one tls.Certificate) *TLS {
	return &TLS{
		Dials:  true,
		Server: &tls.Config{Certificates: []tls.Certificate{one}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool},
		Client: func(host string, _ net.Addr) *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{one}, RootCAs: a.pool, ServerName: host}
		},
	}
}

// secret is a mechanism for tests: the side that accepts asks rounds times, and
// then for a word; the other side answers with what it has.
type secret struct {
	word   string
	rounds int
	server bool
	step   int
}

func (s *secret) Step(in []byte) (out []byte, done bool, err error) {
	s.step++
	switch {
	case !s.server && string(in) == "welcome":
		return nil, true, nil
	case !s.server:
		return []byte(s.word), false, nil
	case s.step <= s.rounds:
		return fmt.Appendf(nil, "question %d", s.step), false, nil
	case string(in) != s.word:
		return nil, false, errors.New("wrong word")
	}
	return []byte("welcome"), true, nil
}

func (s *secret) AuthorizationID() string { return "tester" }

// words is SASL with one word for the dialling and one for the accepting side.
func words(learner, server string, required bool) *SASL {
	s := &SASL{Required: required, Server: func() (Mechanism, error) { return &secret{word: server, rounds: 1, server: true}, nil }}
	if learner != "" {
		s.Learner = func() (Mechanism, error) { return &secret{word: learner}, nil }
	}
	return s
}

// secureVoters are voters of which each has what of says.
func secureVoters(t *testing.T, of map[int64]*Security) []*voter {
	t.Helper()
	noLeaks(t)
	var all []*voter
	for _, id := range []int64{1, 2, 3} {
		s, there := of[id]
		if !there {
			continue
		}
		v := newVoter(t, id, func(o *ElectionOptions) { o.Security = s })
		v.listen("127.0.0.1:0")
		all = append(all, v)
	}
	acquaint(all...)
	return all
}

// hearEachOther has everybody vote and waits until everybody else knows.
func hearEachOther(t *testing.T, all []*voter, round int64) {
	t.Helper()
	for _, v := range all {
		for _, to := range all {
			v.Send(to.id, vote(round))
		}
	}
	for _, v := range all {
		missing := map[int64]bool{}
		for _, from := range all {
			missing[from.id] = from != v
		}
		for slices.Contains(slices.Collect(mapValues(missing)), true) {
			h := v.await("votes", func(h heard) bool { return h.n != nil && h.n.Round == round })
			delete(missing, h.id)
		}
	}
}

func mapValues(m map[int64]bool) func(func(bool) bool) {
	return func(yield func(bool) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// TestElectionSecured: three servers that are secured alike, or as they are in
// the middle of a roll-out, hear each other.
func TestElectionSecured(t *testing.T) {
	ca := newAuthority(t)
	alike := func(make func(id int64) *Security) map[int64]*Security {
		return map[int64]*Security{1: make(1), 2: make(2), 3: make(3)}
	}
	own := func(id int64) *TLS { return ca.tls(ca.member(fmt.Sprint("server", id))) }
	unified := func(id int64, dials bool) *Security {
		s := own(id)
		s.Dials, s.Plain = dials, true
		return &Security{TLS: s}
	}
	old := own(1)
	old.Server.MaxVersion = tls.VersionTLS12
	for name, of := range map[string]map[int64]*Security{
		"TLS":                    alike(func(id int64) *Security { return &Security{TLS: own(id)} }),
		"TLS 1.2":                {1: {TLS: old}, 2: {TLS: own(2)}, 3: {TLS: own(3)}},
		"SASL":                   alike(func(int64) *Security { return &Security{SASL: words("a", "a", true)} }),
		"both":                   alike(func(id int64) *Security { return &Security{TLS: own(id), SASL: words("a", "a", true)} }),
		"plain to unified":       {1: nil, 2: unified(2, false), 3: nil},
		"unified to TLS":         {1: unified(1, false), 2: unified(2, true), 3: unified(3, true)},
		"unified to TLS alone":   {1: {TLS: own(1)}, 2: unified(2, true), 3: {TLS: own(3)}},
		"plain to SASL":          {1: {SASL: words("", "a", false)}, 2: nil, 3: {SASL: words("", "a", false)}},
		"SASL to learner's":      {1: {SASL: words("", "a", false)}, 2: {SASL: words("a", "a", false)}, 3: {SASL: words("", "a", false)}},
		"learner's to required":  {1: {SASL: words("a", "a", false)}, 2: {SASL: words("a", "a", true)}, 3: {SASL: words("a", "a", false)}},
		"plain, and one learner": {1: nil, 2: {SASL: words("", "a", false)}},
	} {
		t.Run(name, func(t *testing.T) {
			all := secureVoters(t, of)
			hearEachOther(t, all, 5)
			all[0].Reset()
			hearEachOther(t, all, 6)
		})
	}
}

// TestElectionTLSRefusesPeer: a peer that is not what it has to be is told of in
// a line at both ends, whichever dials, and disturbs nobody else.
func TestElectionTLSRefusesPeer(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := func(id int64) *Security { return &Security{TLS: ca.tls(ca.member(fmt.Sprint("server", id)))} }
	stranger := ca.tls(other.member("server"))
	none := ca.tls(tls.Certificate{})
	none.Server.Certificates = nil
	elsewhere := good(9)
	elsewhere.TLS.Client = func(string, net.Addr) *tls.Config {
		config := good(9).TLS.Client("", nil)
		config.ServerName = "elsewhere.test"
		return config
	}
	for name, c := range map[string]struct {
		bad        *Security
		ours, hers string
	}{
		"plain":                    {nil, "does not speak TLS", ""},
		"certificate of another":   {&Security{TLS: stranger}, "unknown authority", "refuses this server's certificate"},
		"no certificate":           {&Security{TLS: none}, "it has no certificate", "refuses this server's certificate"},
		"name of another":          {elsewhere, "bad certificate", "not elsewhere.test"},
		"TLS where the others not": {&Security{TLS: &TLS{Dials: true, Client: elsewhere.TLS.Client, Server: elsewhere.TLS.Server}}, "bad certificate", "not elsewhere.test"},
	} {
		for _, id := range []int64{1, 3} {
			t.Run(fmt.Sprint(name, " ", id), func(t *testing.T) {
				of := map[int64]*Security{1: good(1), 2: good(2), 3: good(3)}
				of[id] = c.bad
				all := secureVoters(t, of)
				v := all[1]
				bad := all[(id-1)/2*2]
				bad.Send(2, vote(7))
				v.awaitLine(c.ours)
				if c.hers != "" {
					bad.awaitLine(c.hers)
				}
				good := []*voter{v, all[2-(id-1)/2*2]}
				hearEachOther(t, good, 8)
				for len(v.events) > 0 {
					if h := <-v.events; h.id == id && h.n != nil {
						t.Fatalf("%d is heard: %+v", id, h.n)
					}
				}
			})
		}
	}
}

// TestElectionSASLRefusesPeer is the same for SASL; the line has the id that the
// first message claims.
func TestElectionSASLRefusesPeer(t *testing.T) {
	good := func() *Security { return &Security{SASL: words("a", "a", true)} }
	for name, c := range map[string]struct {
		bad        *Security
		ours, hers string
	}{
		"plain":        {nil, "does not authenticate itself", ""},
		"wrong word":   {&Security{SASL: words("b", "b", true)}, "wrong word", "refuses user or password"},
		"only accepts": {&Security{SASL: words("", "a", false)}, "does not authenticate itself", ""},
	} {
		for _, id := range []int64{1, 3} {
			t.Run(fmt.Sprint(name, " ", id), func(t *testing.T) {
				of := map[int64]*Security{1: good(), 2: good(), 3: good()}
				of[id] = c.bad
				all := secureVoters(t, of)
				v, bad := all[1], all[(id-1)/2*2]
				bad.Send(2, vote(7))
				if line := v.awaitLine(c.ours); !strings.Contains(line, fmt.Sprintf("server %d", id)) {
					t.Error(line)
				}
				if c.hers != "" {
					bad.awaitLine(c.hers)
				}
				hearEachOther(t, []*voter{v, all[2-(id-1)/2*2]}, 8)
			})
		}
	}
}

// TestElectionSecuredHostile: whatever a connection sends or does not send, it
// ends in time, and the others go on.
func TestElectionSecuredHostile(t *testing.T) {
	noLeaks(t)
	ca := newAuthority(t)
	auth := func(status wire.AuthStatus, token []byte) []byte {
		return (&wire.QuorumAuthPacket{Status: status, Token: token}).Append(nil)
	}
	both := &Security{TLS: ca.tls(ca.member("server1")), SASL: words("a", "a", true)}
	both.TLS.Plain, both.TLS.DetectWithin = true, 200*time.Millisecond
	v := newVoter(t, 1, func(o *ElectionOptions) {
		o.Security, o.HandshakeTimeout = both, time.Second
	})
	v.listen("127.0.0.1:0")
	var rounds []byte
	for range 10 {
		rounds = append(rounds, auth(wire.AuthInProgress, []byte("a"))...)
	}
	for name, text := range map[string][]byte{
		"nothing":               nil,
		"one byte":              {0x16},
		"a bad record":          append([]byte{0x16, 3, 1, 2, 0}, make([]byte, 512)...),
		"half a record":         {0x16, 3, 1, 2, 0, 1, 0, 1},
		"half a first message":  hello(2, "127.0.0.1:1")[:9],
		"no authentication":     slices.Concat(hello(2, "127.0.0.1:1"), frame(vote(4))),
		"silence":               hello(2, "127.0.0.1:1"),
		"half the magic number": append(hello(2, "127.0.0.1:1"), 0x5f, 0x24),
		"half a packet":         append(hello(2, "127.0.0.1:1"), auth(0, []byte("a"))[:16]...),
		"large token":           append(hello(2, "127.0.0.1:1"), auth(0, make([]byte, maxSASLToken+1))...),
		"negative token":        slices.Concat(hello(2, "127.0.0.1:1"), auth(0, nil)[:12], []byte{0xff, 0xff, 0xff, 0xfe}),
		"another after one":     slices.Concat(hello(2, "127.0.0.1:1"), auth(0, nil), frame(vote(4)), make([]byte, 100)),
		"an error":              append(hello(2, "127.0.0.1:1"), auth(-1, nil)...),
		"wrong words":           append(hello(2, "127.0.0.1:1"), rounds...)[:200],
	} {
		t.Run(name, func(t *testing.T) { awaitEnd(t, v.knock(text)) })
	}
	v.eventually("all connections to be forgotten", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.greeting) == 0 && len(v.peers) == 0
	})
	peer := newVoter(t, 3, func(o *ElectionOptions) { o.Security = both })
	peer.listen("127.0.0.1:0")
	acquaint(v, peer)
	hearEachOther(t, []*voter{v, peer}, 9)
}

// TestSASLRounds: an accepting side asks five times more and not for ever.
func TestSASLRounds(t *testing.T) {
	for _, rounds := range []int{0, 1, maxSASLRounds, maxSASLRounds + 1, 1000} {
		accepting := &Security{SASL: &SASL{Required: true, Server: func() (Mechanism, error) {
			return &secret{word: "a", rounds: rounds, server: true}, nil
		}}}
		dialling := &Security{SASL: words("a", "", true)}
		a, b := socketPair(t)
		var wg sync.WaitGroup
		var loginErr error
		wg.Go(func() { loginErr = dialling.login(a, a, linkPatience) })
		got, err := accepting.admit(b, buffered(b, nil, 4096))
		wg.Wait()
		ok := rounds > 0 && rounds <= maxSASLRounds
		if rounds == 0 {
			ok = false // the first token is empty, and no word
		}
		if (err == nil) != ok || (loginErr == nil) != ok || ok && got.user != "tester" {
			t.Errorf("%d rounds: %v, %v", rounds, err, loginErr)
		}
	}
}

// TestSASLHostileAcceptor: a dialled server that answers badly is not believed.
func TestSASLHostileAcceptor(t *testing.T) {
	auth := func(status wire.AuthStatus, token []byte) []byte {
		return (&wire.QuorumAuthPacket{Status: status, Token: token}).Append(nil)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"closes":          {nil, "enableSasl=true may be missing"},
		"garbage":         {make([]byte, 100), "not a packet"},
		"success at once": {auth(wire.AuthSuccess, []byte("x")), "too early"},
		"no token":        {auth(wire.AuthInProgress, nil), "no token"},
		"unknown status":  {auth(5, []byte("x")), "unknown 5"},
		"error":           {auth(wire.AuthError, []byte{}), "refuses user or password"},
		"too large":       {auth(0, make([]byte, maxSASLToken+1)), "not a packet"},
		"endless":         {slices.Repeat(auth(0, []byte("x")), 100), "not done after"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := socketPair(t)
			b.Write(c.text)
			b.(*net.TCPConn).CloseWrite()
			err := (&Security{SASL: words("a", "", true)}).login(a, a, linkPatience)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
	a, _ := socketPair(t)
	var timeout net.Error
	if err := (&Security{SASL: words("a", "", true)}).login(a, a, 50*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("silence: %v", err)
	}
}

// TestSASLNotRequired: who fails may stay where none is required, as in
// ZooKeeper, and a line says so.
func TestSASLNotRequired(t *testing.T) {
	noLeaks(t)
	v := newVoter(t, 1, func(o *ElectionOptions) { o.Security = &Security{SASL: words("a", "a", false)} })
	v.listen("127.0.0.1:0")
	nc := v.knock(append(hello(2, "127.0.0.1:1"), (&wire.QuorumAuthPacket{Token: []byte{}}).Append(nil)...))
	if status, token, err := receiveAuth(nc); err != nil || status != wire.AuthInProgress || string(token) != "question 1" {
		t.Fatal(status, token, err)
	}
	nc.Write((&wire.QuorumAuthPacket{Token: []byte("b")}).Append(nil))
	if status, _, err := receiveAuth(nc); err != nil || status != wire.AuthError {
		t.Fatal(status, err)
	}
	v.awaitLine("did not authenticate itself")
	nc.Write(frame(vote(4)))
	v.awaitVote(2, 4)
}

// securePort is a learner port with an unsecured or secured way to dial it.
func securePort(t testing.TB, s *Security, change ...func(*LearnerPort)) (h *recorder, lines chan string, dial func(*Security) (*Link, *recorder, error)) {
	t.Helper()
	lines = make(chan string, 1000)
	_, h, address := openPort(t, append(change, func(p *LearnerPort) {
		p.Security, p.Log = s, slogTo(lines)
	})...)
	return h, lines, func(own *Security) (*Link, *recorder, error) {
		nc, err := DialLeader(t.Context(), []string{address}, DialOptions{NoDelay: true, Attempts: 1, PerTry: linkPatience, Security: own})
		if err != nil {
			return nil, nil, err
		}
		learner := newRecorder()
		l := NewLink(0, nc, LinkOptions{}, learner, true)
		l.Start()
		endWith(t, l)
		return l, learner, nil
	}
}

// TestLearnerPortSecured: packets, a stream and an end go both ways over what is
// secured.
func TestLearnerPortSecured(t *testing.T) {
	ca := newAuthority(t)
	own := func() *TLS { return ca.tls(ca.member("server")) }
	plainToo := own()
	plainToo.Plain = true
	for name, c := range map[string]struct{ leader, learner *Security }{
		"TLS":             {&Security{TLS: own()}, &Security{TLS: own()}},
		"unified, TLS":    {&Security{TLS: plainToo}, &Security{TLS: own()}},
		"unified, plain":  {&Security{TLS: plainToo}, nil},
		"SASL":            {&Security{SASL: words("a", "a", true)}, &Security{SASL: words("a", "a", true)}},
		"SASL, plain":     {&Security{SASL: words("a", "a", false)}, nil},
		"both":            {&Security{TLS: own(), SASL: words("a", "a", true)}, &Security{TLS: own(), SASL: words("a", "a", true)}},
		"both, but plain": {&Security{TLS: plainToo, SASL: words("a", "a", false)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			accepted := make(chan *Link, 1)
			h, _, dial := securePort(t, c.leader, func(p *LearnerPort) { p.Accepted = func(l *Link) { accepted <- l } })
			l, learner, err := dial(c.learner)
			if err != nil {
				t.Fatal(err)
			}
			l.Send(introduction(2))
			leader := <-accepted
			h.packets(t, 1)
			const many = 300
			for i := range many {
				l.Send(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck, Zxid: int64(i)}))
				leader.Send(appendPackets(nil, samplePackets()...))
			}
			if got := h.packets(t, many); got[many-1].Zxid != many-1 {
				t.Fatalf("%+v", got[many-1])
			}
			learner.packets(t, many*len(samplePackets()))
			bulk := make([]byte, 3<<20)
			leader.Stream(func(w io.Writer) error {
				_, err := w.Write(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketDiff}, wire.QuorumPacket{Type: wire.PacketProposal, Data: bulk[:1<<20]}))
				return err
			})
			learner.packets(t, 2)
			reason := errors.New("enough")
			leader.Send(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketUpToDate}))
			leader.CloseAfterFlush(reason)
			learner.packets(t, 1)
			if err := learner.down(t); err != io.EOF {
				t.Fatal(err)
			}
			if err := h.down(t); err != reason {
				t.Fatal(err)
			}
		})
	}
}

// TestLearnerPortSecuredRefuses: one line says who was refused and why, and
// nobody hears a packet of it.
func TestLearnerPortSecuredRefuses(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	own := func() *TLS { return ca.tls(ca.member("server")) }
	for name, c := range map[string]struct {
		leader, learner *Security
		line, told      string
	}{
		"plain":                  {&Security{TLS: own()}, nil, "does not speak TLS", ""},
		"certificate of another": {&Security{TLS: own()}, &Security{TLS: ca.tls(other.member("server"))}, "unknown authority", "bad certificate|unknown certificate authority"},
		"no SASL":                {&Security{SASL: words("a", "a", true)}, nil, "does not authenticate itself", ""},
		"wrong word":             {&Security{SASL: words("a", "a", true)}, &Security{SASL: words("b", "", true)}, "wrong word", "refuses user or password"},
		"TLS to plain":           {nil, &Security{TLS: own()}, "not FOLLOWERINFO", "may not speak TLS"},
		"SASL to plain":          {nil, &Security{SASL: words("a", "", true)}, "not FOLLOWERINFO", "enableSasl=true may be missing"},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			h, lines, dial := securePort(t, c.leader)
			l, learner, err := dial(c.learner)
			if err == nil {
				l.Send(introduction(2))
				err = learner.down(t)
			}
			fits := c.told == ""
			for _, told := range strings.Split(c.told, "|") {
				fits = fits || strings.Contains(err.Error(), told)
			}
			if !fits {
				t.Errorf("the learner hears %q, not %q", err, c.told)
			}
			patience := time.After(linkPatience)
			for told := false; !told; {
				select {
				case line := <-lines:
					told = strings.Contains(line, c.line) && strings.Contains(line, "remote=127.0.0.1:")
				case <-patience:
					t.Fatalf("no line with %q", c.line)
				}
			}
			if e, ok := h.poll(); ok && !e.down {
				t.Fatalf("%+v", e)
			}
		})
	}
}

// TestLearnerPortSecuredPending: connections that do not get through what comes
// first are few and end in time, and keep no learner out.
func TestLearnerPortSecuredPending(t *testing.T) {
	checkLeaks(t)
	ca := newAuthority(t)
	s := &Security{TLS: ca.tls(ca.member("server"))}
	accepted := make(chan *Link, 1)
	var port *LearnerPort
	h, _, dial := securePort(t, s, func(p *LearnerPort) {
		p.MaxPending, p.Accepted, port = 3, func(l *Link) { accepted <- l }, p
	})
	var idle []net.Conn
	for range 10 {
		idle = append(idle, dialRaw(t, port.Addrs()[0].String()))
	}
	for _, nc := range idle[:7] {
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatal("still connected")
		}
	}
	l, _, err := dial(s)
	if err != nil {
		t.Fatal(err)
	}
	l.Send(introduction(2))
	<-accepted
	h.packets(t, 1)
	short, _, _ := securePort(t, s, func(p *LearnerPort) { p.FirstPacketWithin, port = 50*time.Millisecond, p })
	for _, text := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"} {
		nc := dialRaw(t, port.Addrs()[0].String())
		io.WriteString(nc, text)
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("%q: still connected", text)
		}
	}
	if e, ok := short.poll(); ok {
		t.Fatalf("%+v", e)
	}
}

// TestTLSUnanswered: a server that does not answer in TLS costs the time of one
// try, and the error says what it may lack.
func TestTLSUnanswered(t *testing.T) {
	ca := newAuthority(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = DialLeader(t.Context(), []string{ln.Addr().String()}, DialOptions{Attempts: 1, PerTry: 50 * time.Millisecond,
		Security: &Security{TLS: ca.tls(ca.member("server"))}})
	if err == nil || !strings.Contains(err.Error(), "may not speak TLS") {
		t.Error(err)
	}
}

// TestTLSReloaded: a connection has the certificates that there are when it is
// made, and an established one stays.
func TestTLSReloaded(t *testing.T) {
	checkLeaks(t)
	ca := newAuthority(t)
	s := &Security{TLS: ca.tls(ca.member("first"))}
	var mu sync.Mutex
	now := s.TLS.Server
	s.TLS.Server = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		return now, nil
	}}
	h, _, dial := securePort(t, s)
	serves := func(l *Link) string {
		return l.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	one, _, err := dial(s)
	if err != nil || serves(one) != "first" {
		t.Fatal(err)
	}
	one.Send(introduction(1))
	h.packets(t, 1)
	mu.Lock()
	now = ca.tls(ca.member("second")).Server
	mu.Unlock()
	two, _, err := dial(s)
	if err != nil || serves(two) != "second" {
		t.Fatal(err)
	}
	one.Send(appendPackets(nil, wire.QuorumPacket{Type: wire.PacketAck}))
	h.packets(t, 1)
}

// TestTLSAccepted: who is accepted may be refused for the name in its
// certificate, and is told so.
func TestTLSAccepted(t *testing.T) {
	checkLeaks(t)
	ca := newAuthority(t)
	s := &Security{TLS: ca.tls(ca.member("leader"))}
	s.TLS.Accepted = func(remote net.Addr, state *tls.ConnectionState) error {
		if err := state.PeerCertificates[0].VerifyHostname("learner"); err != nil {
			return fmt.Errorf("%v: %w", remote, err)
		}
		return nil
	}
	h, lines, dial := securePort(t, s)
	l, _, err := dial(&Security{TLS: ca.tls(ca.member("learner"))})
	if err != nil {
		t.Fatal(err)
	}
	l.Send(introduction(1))
	h.packets(t, 1)
	l, learner, err := dial(&Security{TLS: ca.tls(ca.member("stranger"))})
	if err == nil {
		l.Send(introduction(1))
		err = learner.down(t)
	}
	if !refusedByPeer(err) {
		t.Fatal(err)
	}
	if line := <-lines; !strings.Contains(line, "not learner") {
		t.Fatal(line)
	}
}
