package datadirs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/test/interop/script"
)

// holder is a session that is alive when its server stops, and what it owns.
type holder struct {
	session    raw.Session
	conn       *raw.Conn
	ephemerals []string
}

// benign is the shape of the random part of a filling.
var benign = script.Profile{Name: "fill", Pipeline: 6, Benign: true}

// fill writes a rich tree into a running server: a random script, and one of
// each thing that a data directory can hold. It returns the sessions it leaves
// alive.
func fill(t *testing.T, s *harness.Server, seed uint64) []*holder {
	t.Helper()
	base := fmt.Sprintf("/fill-%d", seed)
	conn, session := connect(t, s)
	must(t, conn, raw.OpAuth, raw.Auth("digest", []byte(script.SuperPacket)), 0)
	fillNodes(t, conn, base)
	fillMulti(t, conn, base)
	fillClosed(t, s, base)
	holders := []*holder{{session: session, conn: conn}}
	for i := range 3 {
		c, session := connect(t, s)
		h := &holder{session: session, conn: c}
		for j := range i + 1 {
			path := fmt.Sprintf("%s/eph/s%d-%d", base, i, j)
			must(t, c, raw.OpCreate, raw.Create(path, []byte("mine"), raw.World, 1), 0)
			h.ephemerals = append(h.ephemerals, path)
		}
		r := must(t, c, raw.OpCreate, raw.Create(base+"/eph/seq-", nil, raw.World, 3), 0)
		h.ephemerals = append(h.ephemerals, r.Body.Str())
		slices.Sort(h.ephemerals)
		holders = append(holders, h)
	}
	p := script.NewPlayer(s.Addr())
	t.Cleanup(p.Close)
	for i, step := range script.Generate(seed, 250, benign) {
		if _, err := p.Play(step); err != nil {
			t.Fatalf("seed %d step %d %s: %v", seed, i, step, err)
		}
	}
	return holders
}

func connect(t *testing.T, s *harness.Server) (*raw.Conn, raw.Session) {
	t.Helper()
	c, session, err := raw.Connect(s.Addr(), 40000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, session
}

func must(t *testing.T, c *raw.Conn, op int32, body raw.Bytes, code int32) raw.Reply {
	t.Helper()
	r, err := c.Call(op, body)
	if err != nil || r.Err != code {
		t.Fatalf("%s %q: %v, code %d, want %d", raw.OpName(op), body[:min(len(body), 60)], err, r.Err, code)
	}
	return r
}

func fillNodes(t *testing.T, c *raw.Conn, base string) {
	t.Helper()
	create := func(path string, data []byte, acl []raw.ACL, flags int32) {
		t.Helper()
		must(t, c, raw.OpCreate, raw.Create(base+path, data, acl, flags), 0)
	}
	digest := []raw.ACL{{Perms: 31, Scheme: "digest", ID: raw.DigestID("user1:pw1")}, {Perms: 1, Scheme: "world", ID: "anyone"}}
	create("", nil, raw.World, 0)
	create("/null", nil, raw.World, 0)
	create("/empty", []byte{}, raw.World, 0)
	create("/bytes", []byte{0, 1, 255, '\n'}, raw.World, 0)
	create("/big", bytes.Repeat([]byte("0123456789abcdef"), 62000), raw.World, 0)
	create("/中文 name", []byte("ü"), raw.World, 0)
	create("/acl", []byte("a"), digest, 0)
	create("/ip", nil, []raw.ACL{{Perms: 31, Scheme: "ip", ID: "127.0.0.0/8"}, {Perms: 5, Scheme: "world", ID: "anyone"}}, 0)
	create("/changed", []byte("1"), raw.World, 0)
	for i := range 5 {
		must(t, c, raw.OpSetData, raw.SetData(base+"/changed", fmt.Appendf(nil, "v%d", i), int32(i)), 0)
	}
	must(t, c, raw.OpSetACL, raw.SetACL(base+"/changed", digest, 0), 0)
	create("/eph", nil, raw.World, 0)
	create("/seq", nil, raw.World, 0)
	for range 7 {
		create("/seq/n-", nil, raw.World, 2)
	}
	must(t, c, raw.OpDelete, raw.PathInt(base+"/seq/n-0000000003", -1), 0)
	deep := base
	for range 30 {
		deep += "/deep"
		must(t, c, raw.OpCreate2, raw.Create(deep, []byte(deep), raw.World, 0), 0)
	}
	must(t, c, raw.OpCreateContainer, raw.Create(base+"/container", []byte("c"), raw.World, 4), 0)
	create("/container/child", nil, raw.World, 0)
	must(t, c, raw.OpCreateContainer, raw.Create(base+"/emptycontainer", nil, raw.World, 4), 0)
	quota := "/zookeeper/quota" + base
	for _, path := range []string{quota, quota + "/zookeeper_limits", quota + "/zookeeper_stats"} {
		data := map[bool]string{true: "count=1000,bytes=100000000", false: ""}[strings.HasSuffix(path, "limits")]
		must(t, c, raw.OpCreate, raw.Create(path, []byte(data), raw.World, 0), 0)
	}
	create("/counted", []byte("after the quota"), raw.World, 0)
}

// fillMulti commits one transaction and has one refused.
func fillMulti(t *testing.T, c *raw.Conn, base string) {
	t.Helper()
	ops := []raw.MultiOp{
		{Op: raw.OpCreate, Body: raw.Create(base+"/multi", []byte("m"), raw.World, 0)},
		{Op: raw.OpCreate2, Body: raw.Create(base+"/multi/seq-", nil, raw.World, 2)},
		{Op: raw.OpSetData, Body: raw.SetData(base+"/multi", []byte("m2"), 0)},
		{Op: raw.OpCheck, Body: raw.PathInt(base+"/changed", 5)},
		{Op: raw.OpCreateContainer, Body: raw.Create(base+"/multi/c", nil, raw.World, 4)},
		{Op: raw.OpDelete, Body: raw.PathInt(base+"/null", 0)},
	}
	must(t, c, raw.OpMulti, raw.Multi(ops...), 0)
	ops = append(ops[:1:1], raw.MultiOp{Op: raw.OpDelete, Body: raw.PathInt(base+"/nowhere", 0)})
	must(t, c, raw.OpMulti, raw.Multi(ops...), 0)
	must(t, c, raw.OpMulti, raw.Multi(), 0)
	must(t, c, raw.OpSetData, raw.SetData(base+"/changed", nil, 77), raw.ErrBadVersion)
}

// fillClosed opens sessions that are closed again, with and without
// ephemerals, and one that only goes away.
func fillClosed(t *testing.T, s *harness.Server, base string) {
	t.Helper()
	for i := range 4 {
		c, _ := connect(t, s)
		for j := range i {
			must(t, c, raw.OpCreate, raw.Create(fmt.Sprintf("%s/eph/gone%d-%d", base, i, j), nil, raw.World, 1), 0)
		}
		must(t, c, raw.OpCloseSession, nil, 0)
	}
	c, _ := connect(t, s)
	must(t, c, raw.OpCreate, raw.Create(base+"/eph/left", nil, raw.World, 1), 0)
	c.Close()
}
