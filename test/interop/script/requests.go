package script

import (
	"fmt"
	"strings"

	"zooid/test/interop/raw"
)

// names is small on purpose: requests must meet each other's nodes.
var names = []string{"a", "b", "c"}

// oddPaths are bad, or look bad, or belong to the server.
var oddPaths = []string{
	"", "a", "//", "/..", "/.", "/a/..", "/./x", "/a//b", "/a/", "/a/./b", "/a\x00", "/a\x01", "/\x1f", "/\x7f", "/\u009f",
	"/\ue000", "/\ufff0", "/\uf8ff", "/\U0001f600", "/a\xff", "/\xc0\x80", "/\xed\xa0\x80", "/a\xe4\xb8", "/ü", "/中文", "/a b", "/...", "/.a", "/ ",
	"/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/x", "/zookeeper/quota/a",
	"/missing/child", "/a/missing/child", "/a/s-0000000000", "/a/s-0000000001", "/b/0000000002",
}

// path picks a path: mostly one that may exist.
func (g *generator) path() string {
	roll := g.Float64()
	odd := 0.08
	switch {
	case roll < odd:
		return pick(g, oddPaths)
	case roll < 0.12:
		return "/"
	case roll < 0.35 && len(g.made) > 0:
		return pick(g, g.made)
	}
	depth := 1 + g.IntN(3)
	var b strings.Builder
	for range depth {
		b.WriteString("/" + pick(g, names))
	}
	return b.String()
}

func (g *generator) data() []byte {
	switch g.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return []byte(strings.Repeat("x", 1+g.IntN(3000)))
	}
	return []byte(fmt.Sprintf("v%d", g.IntN(100)))
}

// digests are ids and the passwords that prove them (user:password).
var digests = []struct{ packet, id string }{
	{"user1:pw1", raw.DigestID("user1:pw1")},
	{"user2:pw2", raw.DigestID("user2:pw2")},
	{SuperPacket, raw.DigestID(SuperPacket)},
}

// acl picks a list: mostly one that lets everybody in, since scripts whose
// nodes are all locked test little.
func (g *generator) acl() []raw.ACL {
	switch g.IntN(16) {
	case 0:
		return nil
	case 1:
		return []raw.ACL{}
	case 2:
		return []raw.ACL{entry(pick(g, []int32{0, 1, 2, 4, 8, 16, 30, 31, 32, -1, 15}), "world", "anyone")}
	case 3:
		return []raw.ACL{entry(31, "auth", pick(g, []string{"", "x"}))}
	case 4, 5:
		return []raw.ACL{entry(pick(g, []int32{31, 1, 3, 16, 17}), "digest", pick(g, digests).id), entry(1, "world", "anyone")}
	case 6:
		return []raw.ACL{entry(31, "ip", pick(g, oddIPs)), entry(31, "world", "anyone")}
	case 7:
		return []raw.ACL{entry(31, pick(g, []string{"nosuch", "", "World", "super", "sasl", "x509"}), pick(g, []string{"anyone", "", "x"}))}
	case 8:
		return []raw.ACL{entry(31, "world", pick(g, []string{"", "everyone", "Anyone"}))}
	case 9:
		return []raw.ACL{entry(31, "digest", pick(g, []string{"", "a", "a:b:c", ":", "a:", ":b"})), entry(31, "world", "anyone")}
	case 10:
		e, d := entry(31, "world", "anyone"), entry(1, "digest", digests[0].id)
		return []raw.ACL{e, d, e, d}
	}
	return raw.World
}

func entry(perms int32, scheme, id string) raw.ACL {
	return raw.ACL{Perms: perms, Scheme: scheme, ID: id}
}

var oddIPs = []string{
	"127.0.0.1", "10.0.0.0/8", "127.0.0.1/32", "127.0.0.0/0", "127.0.0.1/33", "127.0.0.1/-1", "127.0.0.1/x",
	"::1", "fe80::/10", "::/0", "::/129", "1.2.3", "1.2.3.256", "", "/8", "localhost", "127.0.0.1/8/8",
}

func (g *generator) version() int32 {
	return pick(g, []int32{-1, -1, -1, -1, 0, 0, 1, 2, 7, -2, 2147483647})
}

func (g *generator) watch() bool { return g.chance(0.35) }

// weights is how often each op is made; the sum does not matter.
var weights = []struct {
	weight int
	make   func(g *generator) Request
}{
	{14, (*generator).create}, {9, (*generator).create2}, {3, (*generator).container}, {5, (*generator).ttl},
	{9, (*generator).remove}, {10, (*generator).setData}, {8, (*generator).read}, {8, (*generator).children},
	{4, (*generator).setACL}, {4, (*generator).getACL}, {8, (*generator).multi}, {3, (*generator).multiRead},
	{4, (*generator).addWatch}, {3, (*generator).dropWatch}, {3, (*generator).setWatches}, {5, (*generator).small},
	{2, (*generator).quota}, {1, (*generator).reconfig},
}

func (g *generator) wellFormed() Request {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	n := g.IntN(total)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			return w.make(g)
		}
	}
	panic("unreachable: the weights add up")
}

func (g *generator) newPath() string {
	p := g.path()
	if len(g.made) < 60 {
		g.made = append(g.made, p)
	}
	return p
}

func (g *generator) create() Request {
	flags := pick(g, []int32{0, 0, 0, 0, 1, 1, 2, 2, 3, 4})
	if g.profile.Benign {
		// With flag 4 Apache's server reckons with a container and makes an
		// ordinary node, so the digest in its log is wrong.
		flags %= 4
	} else if g.chance(0.05) {
		flags = pick(g, []int32{5, 6, 7, 8, -1, 16, 2147483647})
	}
	path, data, acl := g.newPath(), g.data(), g.acl()
	if flags == 2 || flags == 3 {
		path += pick(g, []string{"/s-", "/", "", "-"})
	}
	return Request{Op: raw.OpCreate, Body: raw.Create(path, data, acl, flags),
		Note: fmt.Sprintf("%q %s %s flags=%d", path, Data(data), ACLs(acl), flags)}
}

func (g *generator) create2() Request {
	r := g.create()
	r.Op = raw.OpCreate2
	return r
}

func (g *generator) container() Request {
	path, acl := g.newPath(), g.acl()
	flags := pick(g, []int32{4, 4, 4, 4, 0, 1, 2, 3})
	if g.profile.Benign {
		flags = 4
	}
	return Request{Op: raw.OpCreateContainer, Body: raw.Create(path, g.data(), acl, flags),
		Note: fmt.Sprintf("%q %s flags=%d", path, ACLs(acl), flags)}
}

func (g *generator) ttl() Request {
	path, acl := g.newPath(), g.acl()
	flags := pick(g, []int32{5, 5, 5, 6, 6, 0, 1, 2, 4, 7})
	if g.profile.Benign {
		flags = 5 + flags%2
	}
	ttl := pick(g, []int64{3600000, 3600000, 1099511627775, 1099511627776, 0, -1, 1 << 62})
	body := raw.CreateTTL(path, g.data(), acl, flags, ttl)
	if poisonous(body) {
		flags = 5
		body = raw.CreateTTL(path, g.data(), acl, flags, ttl)
	}
	return Request{Op: raw.OpCreateTTL, Body: body,
		Note: fmt.Sprintf("%q %s flags=%d ttl=%d", path, ACLs(acl), flags, ttl)}
}

func (g *generator) remove() Request {
	path, v := g.path(), g.version()
	if g.chance(0.03) {
		path = g.quotaPath()
	}
	return Request{Op: raw.OpDelete, Body: raw.PathInt(path, v), Note: fmt.Sprintf("%q v=%d", path, v)}
}

func (g *generator) setData() Request {
	path, data, v := g.path(), g.data(), g.version()
	return Request{Op: raw.OpSetData, Body: raw.SetData(path, data, v), Note: fmt.Sprintf("%q %s v=%d", path, Data(data), v)}
}

func (g *generator) read() Request {
	op := pick(g, []int32{raw.OpExists, raw.OpGetData})
	path, w := g.path(), g.watch()
	if g.chance(0.03) {
		path = g.quotaPath()
	}
	return Request{Op: op, Body: raw.PathBool(path, w), Note: fmt.Sprintf("%q watch=%v", path, w)}
}

func (g *generator) children() Request {
	r := g.read()
	r.Op = pick(g, []int32{raw.OpGetChildren, raw.OpGetChildren2})
	return r
}

func (g *generator) setACL() Request {
	path, acl, v := g.path(), g.acl(), g.version()
	return Request{Op: raw.OpSetACL, Body: raw.SetACL(path, acl, v), Note: fmt.Sprintf("%q %s v=%d", path, ACLs(acl), v)}
}

func (g *generator) getACL() Request {
	path := g.path()
	return Request{Op: raw.OpGetACL, Body: raw.Path(path), Note: fmt.Sprintf("%q", path)}
}

// multi makes a transaction of up to five ops; some are of a kind that has no
// place in one.
func (g *generator) multi() Request {
	var ops []raw.MultiOp
	var note []string
	for range g.IntN(6) {
		var r Request
		switch g.IntN(12) {
		case 0, 1, 2, 3:
			r = g.create()
		case 4:
			r = g.create2()
		case 5:
			r = pick(g, []func() Request{g.container, g.ttl})()
		case 6, 7:
			r = g.remove()
		case 8, 9:
			r = g.setData()
		default:
			r = g.remove()
			r.Op = raw.OpCheck
		}
		if g.chance(0.02) {
			r = pick(g, []func() Request{g.read, g.children, g.setACL})()
		}
		ops = append(ops, raw.MultiOp{Op: r.Op, Body: r.Body})
		note = append(note, raw.OpName(r.Op)+" "+r.Note)
	}
	return Request{Op: raw.OpMulti, Body: raw.Multi(ops...), Note: strings.Join(note, "; ")}
}

func (g *generator) multiRead() Request {
	var ops []raw.MultiOp
	var note []string
	for range g.IntN(5) {
		r := g.read()
		r.Op = pick(g, []int32{raw.OpGetData, raw.OpGetChildren})
		if g.chance(0.04) {
			r = pick(g, []func() Request{g.remove, g.read, g.create})()
		}
		ops = append(ops, raw.MultiOp{Op: r.Op, Body: r.Body})
		note = append(note, raw.OpName(r.Op)+" "+r.Note)
	}
	return Request{Op: raw.OpMultiRead, Body: raw.Multi(ops...), Note: strings.Join(note, "; ")}
}

func (g *generator) addWatch() Request {
	path, mode := g.path(), pick(g, []int32{0, 0, 0, 1, 1, 1, 2, -1})
	return Request{Op: raw.OpAddWatch, Body: raw.PathInt(path, mode), Note: fmt.Sprintf("%q mode=%d", path, mode)}
}

func (g *generator) dropWatch() Request {
	op := pick(g, []int32{raw.OpCheckWatches, raw.OpRemoveWatches})
	path, kind := g.path(), pick(g, []int32{1, 2, 3, 3, 4, 5, 0, 6, -1})
	return Request{Op: op, Body: raw.PathInt(path, kind), Note: fmt.Sprintf("%q type=%d", path, kind)}
}

func (g *generator) setWatches() Request {
	op, n := int32(raw.OpSetWatches), 3
	if g.chance(0.6) {
		op, n = raw.OpSetWatches2, 5
	}
	lists := make([][]string, n)
	for i := range lists {
		if g.chance(0.05) {
			continue // a null list
		}
		lists[i] = []string{}
		for range g.IntN(3) {
			lists[i] = append(lists[i], g.path())
		}
	}
	zxid := pick(g, []int64{0, 5, 20, 100, 1 << 40})
	return Request{Op: op, Body: raw.SetWatches(zxid, lists...), Note: fmt.Sprintf("zxid=%d %q", zxid, lists)}
}

// small makes the ops with little in them.
func (g *generator) small() Request {
	path := g.path()
	op := pick(g, []int32{raw.OpSync, raw.OpPing, raw.OpWhoAmI, raw.OpGetEphemerals, raw.OpGetAllChildrenNumber})
	r := Request{Op: op, Body: raw.Path(path), Note: fmt.Sprintf("%q", path)}
	switch op {
	case raw.OpPing, raw.OpWhoAmI:
		r.Body, r.Note = nil, ""
	case raw.OpGetEphemerals:
		if g.chance(0.4) {
			path = pick(g, []string{"", "/", " ", "/a", "/a/b/c"})
			r.Body, r.Note = raw.Path(path), fmt.Sprintf("%q", path)
		}
	}
	return r
}

// quota makes a write to a quota node of one of the small paths.
func (g *generator) quota() Request {
	base := "/zookeeper/quota/" + pick(g, names)
	limits := fmt.Sprintf("count=%d,bytes=%d", pick(g, []int{-1, 1, 3, 100}), pick(g, []int{-1, 10, 5000}))
	if g.chance(0.5) {
		limits += fmt.Sprintf("=;byteHardLimit=%d;countHardLimit=%d", pick(g, []int{-1, 20, 5000}), pick(g, []int{-1, 2, 4}))
	}
	path, data := base, []byte{}
	switch g.IntN(6) {
	case 0, 1:
		path, data = base+"/zookeeper_limits", []byte(limits)
	case 2, 3:
		path, data = base+"/zookeeper_stats", []byte("count=0,bytes=0")
	case 4:
		path = base + "/zookeeper_limits"
		return Request{Op: raw.OpSetData, Body: raw.SetData(path, []byte(limits), -1), Note: fmt.Sprintf("%q %s", path, limits)}
	}
	return Request{Op: raw.OpCreate, Body: raw.Create(path, data, raw.World, 0), Note: fmt.Sprintf("%q %q", path, data)}
}

// quotaPath names a quota node, for the requests that write no text into one:
// Apache's server dies of a text that is no quota.
func (g *generator) quotaPath() string {
	return "/zookeeper/quota/" + pick(g, names) + pick(g, []string{"", "/zookeeper_limits", "/zookeeper_stats"})
}

func (g *generator) reconfig() Request {
	b := raw.Bytes(nil).Str(pick(g, []string{"", "server.2=127.0.0.1:1:2:participant;3"})).Str("").Buf(nil).Long(-1)
	return Request{Op: raw.OpReconfig, Body: b, Note: "join, leave"}
}

// auth makes an auth packet; a bad one ends the connection.
func (g *generator) auth(slot int) Request {
	if g.chance(0.8) || g.profile.Benign {
		d := pick(g, digests)
		return Request{Op: raw.OpAuth, Body: raw.Auth("digest", []byte(d.packet)), Note: "digest " + d.packet}
	}
	if g.chance(0.3) {
		return Request{Op: raw.OpSASL, Body: raw.Bytes(nil).Buf([]byte("token")), Note: "token"}
	}
	scheme := pick(g, []string{"digest", "world", "ip", "nosuch", "", "sasl", "super", "auth", "x509"})
	data := pick(g, [][]byte{nil, {}, []byte("nocolon"), []byte("a:b:c"), []byte("user1:pw1")})
	if scheme != "ip" && !(scheme == "digest" && data != nil) {
		g.open[slot] = false
	}
	return Request{Op: raw.OpAuth, Body: raw.Auth(scheme, data), Note: fmt.Sprintf("%q %q", scheme, data)}
}
