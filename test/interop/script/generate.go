package script

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"zooid/test/interop/raw"
)

// Profile shapes a script and says which server options it is meant for.
type Profile struct {
	Name       string
	Lines      []string // zoo.cfg
	Properties []string // name=value
	Pipeline   int      // the most requests in one step
	Weird      float64  // share of requests that are damaged on purpose
	Benign     bool     // nothing that closes a connection without cause: for filling directories
}

// SuperPacket is the auth data of the super user of scripted servers.
const SuperPacket = "super:secret"

// SuperDigest is the property that lets SuperPacket do everything.
var SuperDigest = "zookeeper.DigestAuthenticationProvider.superDigest=" + raw.DigestID(SuperPacket)

// Profiles are the servers and shapes that the seeds go round.
//
// enforceQuota comes without pipelining: Apache's server checks quotas against
// the applied tree, not against the writes under way, so what it answers in a
// pipeline depends on its threads' timing.
var Profiles = []Profile{
	{Name: "default", Pipeline: 6, Weird: 0.06},
	{Name: "extended", Properties: []string{"zookeeper.extendedTypesEnabled=true"}, Pipeline: 6, Weird: 0.06},
	{Name: "quota", Properties: []string{"zookeeper.enforceQuota=true"}, Pipeline: 1, Weird: 0.03},
	{Name: "reconfig", Lines: []string{"reconfigEnabled=true"}, Pipeline: 4, Weird: 0.15},
	{Name: "skipacl", Properties: []string{"zookeeper.skipACL=yes", "zookeeper.extendedTypesEnabled=true", "zookeeper.digest.enabled=false"}, Pipeline: 6, Weird: 0.06},
	{Name: "eager", Properties: []string{"zookeeper.enableEagerACLCheck=true", "zookeeper.emulate353TTLNodes=true", "zookeeper.extendedTypesEnabled=true"}, Pipeline: 4, Weird: 0.06},
}

// ServerLines are zoo.cfg lines that every scripted server gets: sessions must
// not run out in the middle of a script, and hundreds of connections may come.
func (p Profile) ServerLines() []string {
	return append([]string{"minSessionTimeout=30000", "maxSessionTimeout=60000", "maxClientCnxns=0"}, p.Lines...)
}

// ServerProperties are the system properties for a server of this profile.
func (p Profile) ServerProperties() []string {
	return append([]string{SuperDigest}, p.Properties...)
}

// generator makes steps from a seed. It keeps a rough idea of what is open and
// which paths may exist, so that most requests hit something.
type generator struct {
	*rand.Rand
	profile Profile
	open    [Slots]bool
	xid     [Slots]int32
	labels  int
	live    []int // labels of sessions not closed on purpose
	owner   [Slots]int
	made    []string // paths that creates asked for
}

// Generate makes the script of a seed.
func Generate(seed uint64, steps int, profile Profile) []Step {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x5a4b)), profile: profile}
	script := []Step{g.openNew(0), g.openNew(1)}
	for len(script) < steps {
		script = append(script, g.step())
	}
	return script
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) step() Step {
	slot := g.IntN(Slots)
	roll := g.Float64()
	switch {
	case !g.open[slot] && roll < 0.35 && len(g.live) > 0:
		return g.resume(slot)
	case !g.open[slot]:
		return g.openNew(slot)
	case roll < 0.02:
		g.open[slot] = false
		return Step{Kind: Drop, Conn: slot}
	case roll < 0.04 && len(g.live) > 0:
		return g.resume(slot)
	case roll < 0.055 && !g.profile.Benign:
		return g.rawStep(slot)
	case roll < 0.075:
		g.open[slot] = false
		g.forget(g.owner[slot])
		return g.sendOne(slot, Request{Op: raw.OpCloseSession})
	case roll < 0.115:
		return g.sendOne(slot, g.auth(slot)) // alone: the reply overtakes others
	}
	return g.batch(slot)
}

func (g *generator) forget(label int) {
	for i, l := range g.live {
		if l == label {
			g.live = append(g.live[:i], g.live[i+1:]...)
			return
		}
	}
}

// openNew makes a handshake for a new session; now and then an odd one.
func (g *generator) openNew(slot int) Step {
	g.labels++
	s := Step{Kind: Open, Conn: slot, Session: g.labels, Connect: raw.ConnectRequest{
		Timeout: 40000, Passwd: make([]byte, 16), Old: g.chance(0.2), ReadOnly: g.chance(0.2),
	}}
	ok := true
	if !g.profile.Benign {
		c := &s.Connect
		switch g.IntN(14) {
		case 0:
			c.Timeout = pick(g, []int32{0, -1, 1, 59999, 60001, 2147483647, -2147483648})
		case 1:
			c.Passwd = pick(g, [][]byte{nil, {}, {1, 2, 3}, make([]byte, 17), make([]byte, 200)})
		case 2:
			c.Version = pick(g, []int32{1, -1, 1 << 30})
		case 3:
			c.LastZxidSeen = pick(g, []int64{1, -5, 1 << 40})
			ok = c.LastZxidSeen < 1<<40
		case 4:
			c.SessionID, ok = int64(g.Uint64()>>1|1), false
		}
	}
	if g.open[slot] = ok; ok {
		g.live = append(g.live, s.Session)
		g.owner[slot] = s.Session
	}
	return s
}

// resume takes up a session, perhaps one whose connection is still open.
func (g *generator) resume(slot int) Step {
	s := Step{Kind: Resume, Conn: slot, Session: pick(g, g.live), WrongPwd: g.chance(0.15)}
	s.Connect = raw.ConnectRequest{Timeout: pick(g, []int32{40000, 30000, 50000}), Old: g.chance(0.2)}
	if g.chance(0.1) {
		s.Session = 1 + g.IntN(g.labels) // maybe a closed one
	}
	for i := range g.open {
		if g.open[i] && g.owner[i] == s.Session {
			g.open[i] = false
		}
	}
	g.open[slot], g.owner[slot] = !s.WrongPwd, s.Session
	return s
}

func (g *generator) nextXid(slot int, op int32) int32 {
	switch {
	case op == raw.OpPing || op == raw.OpAuth:
		return map[int32]int32{raw.OpPing: raw.XidPing, raw.OpAuth: raw.XidAuth}[op]
	case op == raw.OpSetWatches || op == raw.OpSetWatches2:
		return raw.XidSetWatches
	case g.chance(0.01) && !g.profile.Benign:
		return pick(g, []int32{0, -3, -7, 2147483647, -2147483648})
	}
	g.xid[slot]++
	return g.xid[slot]
}

func (g *generator) sendOne(slot int, r Request) Step {
	if r.Xid == 0 {
		r.Xid = g.nextXid(slot, r.Op)
	}
	return Step{Kind: Send, Conn: slot, Requests: []Request{r}, Ends: !g.open[slot]}
}

// batch makes a few pipelined requests.
func (g *generator) batch(slot int) Step {
	if g.chance(0.015) && !g.profile.Benign {
		return g.unknown(slot)
	}
	s := Step{Kind: Send, Conn: slot}
	for range 1 + g.IntN(g.profile.Pipeline) {
		r := g.wellFormed()
		if g.chance(g.profile.Weird) {
			g.damage(&r)
		}
		r.Xid = g.nextXid(slot, r.Op)
		s.Requests = append(s.Requests, r)
		if r.Op == raw.OpSetACL {
			// What follows would be checked by Apache's server against the old
			// ACL or the new one, as its threads happen to run.
			break
		}
	}
	return s
}

// unknownOps are numbers that no client may send.
var unknownOps = []int32{0, 10, 13, 23, 24, 50, 71, 99, 108, 200, -1, -2, -9, -12, 2147483647, -2147483648}

// unknown makes a request of a type that nobody serves. It comes alone, since
// the reply, which is followed by the end of the connection, overtakes those
// of earlier requests under way.
func (g *generator) unknown(slot int) Step {
	g.open[slot] = false
	op := pick(g, unknownOps)
	return g.sendOne(slot, Request{Op: op, Body: raw.PathInt("/a", 1), Note: "unknown"})
}

// damage makes a well-formed body ill-formed, or at least surprising.
func (g *generator) damage(r *Request) {
	b := append(raw.Bytes{}, r.Body...)
	switch g.IntN(5) {
	case 0:
		if len(b) > 0 {
			b = b[:g.IntN(len(b))]
		}
		r.Note += " <cut>"
	case 1:
		b = append(b, make([]byte, 1+g.IntN(9))...)
		r.Note += " <trailing bytes>"
	case 2, 3:
		if len(b) >= 4 {
			at := g.IntN(len(b)-3) &^ 3
			v := pick(g, []int32{-1, -2, -2147483648, 2147483647, 1 << 24, 0, 1, 2, int32(len(b))})
			copy(b[at:], raw.Bytes(nil).Int(v))
			r.Note += fmt.Sprintf(" <%d at %d>", v, at)
		}
	case 4:
		if len(b) > 0 {
			at := g.IntN(len(b))
			b[at] ^= byte(1 << g.IntN(8))
			r.Note += fmt.Sprintf(" <bit flipped at %d>", at)
		}
	}
	// Damage must not make the one request that Apache's server dies of.
	if r.Op == raw.OpCreateTTL && poisonous(b) || r.Op == raw.OpMulti && bytes.Contains(r.Body, createTTLHeader) {
		return
	}
	r.Body = b
}

// createTTLHeader is how a createTTL begins inside a multi.
var createTTLHeader = raw.Bytes(nil).Int(raw.OpCreateTTL).Bool(false).Int(-1)

// poisonous spots a createTTL with a negative ttl and flags that mean no TTL
// node, which Apache's server accepts, logs, and dies of. The defects suite
// has the test that Zooid does not.
func poisonous(b raw.Bytes) bool {
	r := raw.Reader{Rest: b}
	r.Buf()
	r.Buf()
	r.ACLs()
	flags, ttl := r.Int(), r.Long()
	return ttl < 0 && flags != 5 && flags != 6
}

func (g *generator) rawStep(slot int) Step {
	if g.chance(0.5) {
		s := Step{Kind: Raw, Conn: slot, Fresh: true}
		s.Note, s.Bytes = g.badHandshake()
		return s
	}
	g.open[slot] = false
	s := Step{Kind: Raw, Conn: slot}
	switch g.IntN(4) {
	case 0:
		s.Note, s.Bytes = "frame length", raw.Bytes(nil).Int(pick(g, []int32{-1, -2147483648, 2147483647, 1 << 20, 0}))
	case 1:
		n := 1 + g.IntN(7)
		s.Note, s.Bytes = "frame too short for a header", append(raw.Bytes(nil).Int(int32(n)), make([]byte, n)...)
	case 2:
		s.Note, s.Bytes = "four-letter word after the handshake", []byte("ruok")
	case 3:
		c := raw.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16)}.Bytes()
		s.Note, s.Bytes = "second ConnectRequest", append(raw.Bytes(nil).Int(int32(len(c))), c...)
	}
	return s
}

func (g *generator) badHandshake() (string, []byte) {
	whole := raw.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16)}.Bytes()
	framed := func(b []byte) []byte { return append(raw.Bytes(nil).Int(int32(len(b))), b...) }
	switch g.IntN(5) {
	case 0:
		return "handshake cut short", framed(whole[:g.IntN(44)])
	case 1:
		return "handshake length", raw.Bytes(nil).Int(pick(g, []int32{-1, -2147483648, 2147483647, 1 << 20, 0}))
	case 2:
		b := append(raw.Bytes{}, whole...)
		copy(b[24:], raw.Bytes(nil).Int(pick(g, []int32{-2, 100, 1 << 30})))
		return "handshake with a bad password length", framed(b)
	case 3:
		return "HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	default:
		return "a session that nobody has", framed(raw.ConnectRequest{
			Timeout: 30000, SessionID: int64(g.Uint64()), Passwd: make([]byte, 16)}.Bytes())
	}
}
