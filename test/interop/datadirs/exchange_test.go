package datadirs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/test/interop/script"
)

// variant is one way to keep a data directory.
type variant struct {
	name        string
	properties  []string
	lines       []string
	separateLog bool
	kill        bool // end with kill -9
}

var variants = []variant{
	{name: "log only"},
	{name: "log only, killed", kill: true},
	{name: "many snapshots, killed", lines: []string{"snapCount=40"}, kill: true},
	{name: "many snapshots, separate log", lines: []string{"snapCount=60"}, separateLog: true},
	{name: "gz", lines: []string{"snapCount=60"}, properties: []string{"zookeeper.snapshot.compression.method=gz"}, kill: true},
	{name: "snappy", lines: []string{"snapCount=60"}, properties: []string{"zookeeper.snapshot.compression.method=snappy"}},
	{name: "no digest", lines: []string{"snapCount=60"}, properties: []string{"zookeeper.digest.enabled=false"}, kill: true},
	{name: "no last zxid, no session txns", lines: []string{"snapCount=60"}, properties: []string{
		"zookeeper.serializeLastProcessedZxid.enabled=false", "zookeeper.closeSessionTxn.enabled=false"}},
}

func (v variant) options(kind harness.Kind) harness.Options {
	return harness.Options{
		Kind: kind, SeparateLog: v.separateLog,
		Lines: append([]string{"minSessionTimeout=30000", "maxSessionTimeout=60000", "maxClientCnxns=0"}, v.lines...),
		Properties: append([]string{script.SuperDigest, "zookeeper.extendedTypesEnabled=true"},
			v.properties...),
	}
}

// TestExchange fills a directory with one implementation, loads it with the
// other, goes on there, and loads it with the first again.
func TestExchange(t *testing.T) {
	harness.Ring(t)
	ours := harness.UnderTest()
	for i, v := range variants {
		for _, first := range []harness.Kind{harness.Java, ours} {
			second := ours
			if first == ours {
				second = harness.Java
			}
			t.Run(fmt.Sprintf("%s/%s to %s", v.name, first, second), func(t *testing.T) {
				t.Parallel()
				a := harness.Start(t, v.options(first))
				holders := fill(t, a, uint64(100+i))
				after := seen(t, a)
				end(a, v)

				b := move(t, a, second, v)
				check(t, b, after)
				resume(t, b, holders)
				holders = append(holders[:1], fill(t, b, uint64(200+i))...)
				after = seen(t, b)
				end(b, v)

				c := move(t, b, first, v)
				check(t, c, after)
				resume(t, c, holders[1:])
			})
		}
	}
}

func end(s *harness.Server, v variant) {
	if v.kill {
		s.Kill()
		return
	}
	s.Stop()
}

// state is all that a directory must carry over.
type state struct {
	zxid     string
	tree     []string
	sessions string
}

func seen(t *testing.T, s *harness.Server) state {
	t.Helper()
	tree, err := script.Dump(s.Addr(), script.Plain)
	if err != nil {
		t.Fatal(err)
	}
	return state{zxid: s.Zxid(), tree: withoutUsage(tree), sessions: s.Metric("zk_global_sessions")}
}

// usage is the text of a quota's usage, which every server counts anew when it
// loads a directory (Apache's own running count drifts from that).
var usage = regexp.MustCompile(`(/zookeeper_stats" )data="[^"]*"(.*) len=\d+`)

func withoutUsage(tree []string) []string {
	for i := range tree {
		tree[i] = usage.ReplaceAllString(tree[i], "${1}data=...$2")
	}
	return tree
}

// move starts a server of the given kind on a copy of another's directories.
func move(t *testing.T, from *harness.Server, kind harness.Kind, v variant) *harness.Server {
	t.Helper()
	s := harness.Prepare(t, v.options(kind))
	copyDir(t, from.DataDir(), s.DataDir())
	if v.separateLog {
		copyDir(t, from.LogDir(), s.LogDir())
	}
	s.Restart()
	return s
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(to, "version-2"), os.DirFS(filepath.Join(from, "version-2"))); err != nil {
		t.Fatal(err)
	}
}

// check compares what a server loaded with what was there before.
func check(t *testing.T, s *harness.Server, want state) {
	t.Helper()
	if got := s.Zxid(); got != want.zxid {
		t.Errorf("%s loaded up to zxid %s, want %s", s.Kind(), got, want.zxid)
	}
	if got := s.Metric("zk_global_sessions"); got != want.sessions {
		t.Errorf("%s knows %s sessions, want %s", s.Kind(), got, want.sessions)
	}
	if got := s.Metric("zk_digest_mismatches_count"); got != "0" {
		t.Errorf("%s met %s digest mismatches", s.Kind(), got)
	}
	tree, err := script.Dump(s.Addr(), script.Plain)
	if err != nil {
		t.Fatal(err)
	}
	if d := script.DiffLines(want.tree, withoutUsage(tree), "before", string(s.Kind())); d != "" {
		t.Errorf("%s loaded another tree:\n%s", s.Kind(), d)
	}
}

// resume takes the sessions up on another server: each still owns its
// ephemerals, and they go with it when it closes.
func resume(t *testing.T, s *harness.Server, holders []*holder) {
	t.Helper()
	for i, h := range holders {
		h.conn.Close()
		c, session, err := raw.Resume(s.Addr(), h.session)
		if err != nil {
			t.Errorf("%s: resume: %v", s.Kind(), err)
			continue
		}
		h.conn = c
		t.Cleanup(c.Close)
		if session.ID != h.session.ID || !slices.Equal(session.Passwd, h.session.Passwd) {
			t.Errorf("%s: resumed as another session: 0x%x, was 0x%x", s.Kind(), session.ID, h.session.ID)
		}
		r := must(t, c, raw.OpGetEphemerals, raw.Path("/"), 0)
		got := r.Body.Strs()
		slices.Sort(got)
		if !slices.Equal(got, h.ephemerals) {
			t.Errorf("%s: session 0x%x owns %v, want %v", s.Kind(), session.ID, got, h.ephemerals)
		}
		if i == 0 {
			continue // lives on
		}
		must(t, c, raw.OpCloseSession, nil, 0)
		observer, _ := connect(t, s)
		for _, path := range h.ephemerals {
			must(t, observer, raw.OpExists, raw.PathBool(path, false), raw.ErrNoNode)
		}
		must(t, observer, raw.OpCloseSession, nil, 0)
	}
	wrong := holders[0].session
	wrong.Passwd = slices.Clone(wrong.Passwd)
	wrong.Passwd[0]++
	if c, _, err := raw.Resume(s.Addr(), wrong); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%s: a wrong password was accepted (%v)", s.Kind(), err)
		if c != nil {
			c.Close()
		}
	}
}
