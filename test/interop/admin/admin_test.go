package admin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/internal/admin"
	"zooid/internal/metrics"
	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// words are all the four-letter words that answer from the state of a server.
var words = []string{"conf", "cons", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srvr", "stat",
	"wchc", "wchp", "wchs", "crst", "srst"}

// answers are the answers of one server by word; "mntr after srst" is one too.
type answers map[string]string

func TestShapesAreThoseOfApache(t *testing.T) {
	harness.Ring(t)
	java := harness.Start(t, harness.Options{Kind: harness.Java, Properties: []string{"zookeeper.enforceQuota=true"}})
	alice, bob := play(t, java.Addr())
	theirs := ask(func(word string) string { return java.FourLetter(word) })
	source := filledLike(alice, bob)
	all, _ := admin.ParseWhitelist("*", false)
	ours := ask(func(word string) string { return execute(t, word, source, all) })

	t.Run("mntr", func(t *testing.T) { compareMonitor(t, theirs["mntr"], ours["mntr"]) })
	t.Run("srst", func(t *testing.T) { compareReset(t, theirs["mntr after srst"], ours["mntr after srst"]) })
	for _, word := range words {
		t.Run("lines of "+word, func(t *testing.T) {
			want, got := shape(word, theirs[word]), shape(word, ours[word])
			if word == "mntr" { // compared above
				want, got = want[:2], got[:2]
			}
			if !slices.Equal(want, got) {
				t.Errorf("Java:\n%s\nours:\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
			}
		})
	}
}

func ask(server func(word string) string) answers {
	a := answers{}
	for _, word := range words {
		a[word] = server(word)
	}
	a["mntr after srst"] = server("mntr")
	return a
}

func execute(t *testing.T, word string, source admin.Source, gate admin.Whitelist) string {
	t.Helper()
	var b bytes.Buffer
	first4, next := []byte(word)[:4], []byte(word)[4:]
	if err := admin.Execute(&b, binary.BigEndian.Uint32(first4), next, source, gate); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// play gives a server two sessions with ephemerals, watches, reads, writes, a
// quota and a refusal by it, and more than 128 txns for a digest.
func play(t *testing.T, addr string) (alice, bob raw.Session) {
	t.Helper()
	a, alice := connect(t, addr)
	b, bob := connect(t, addr)
	call := func(c *raw.Conn, want int32, op int32, body raw.Bytes) {
		t.Helper()
		reply, err := c.Call(op, body)
		if err != nil || reply.Err != want {
			t.Fatalf("%s: %v, code %d, want %d", raw.OpName(op), err, reply.Err, want)
		}
	}
	create := func(want int32, path, data string, flags int32) {
		t.Helper()
		call(a, want, raw.OpCreate, raw.Create(path, []byte(data), raw.World, flags))
	}
	create(0, "/a", "x", 0)
	create(0, "/a/b", "y", 0)
	create(0, "/e", "", 1)
	create(0, "/e2", "", 1)
	for range 130 {
		call(a, 0, raw.OpSetData, raw.SetData("/a", []byte("z"), -1))
	}
	create(0, "/zookeeper/quota/a", "", 0)
	create(0, "/zookeeper/quota/a/zookeeper_limits", "count=-1,bytes=-1,countHardLimit=2,byteHardLimit=-1", 0)
	create(0, "/zookeeper/quota/a/zookeeper_stats", "count=2,bytes=2", 0)
	const quotaExceeded = -125
	create(quotaExceeded, "/a/c", "", 0)
	call(b, 0, raw.OpGetData, raw.PathBool("/a", true))
	call(b, raw.ErrNoNode, raw.OpExists, raw.PathBool("/nope", true))
	call(b, 0, raw.OpGetChildren, raw.PathBool("/a", true))
	call(a, 0, raw.OpGetData, raw.PathBool("/a", true))
	return alice, bob
}

func connect(t *testing.T, addr string) (*raw.Conn, raw.Session) {
	t.Helper()
	c, session, err := raw.Connect(addr, 30000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, session
}

// source is a Source that holds what play leaves behind.
type source struct {
	alice, bob int64
	metrics    metrics.Server
	reset      bool
}

func filledLike(alice, bob raw.Session) *source {
	s := &source{alice: alice.ID, bob: bob.ID}
	m := &s.metrics
	m.ObserveReads(1, 2)
	m.ObserveUpdates(2, 1)
	m.UpdateLatency.Observe(3)
	label := []metrics.LabelValue{{Label: "a", Value: 2}}
	for _, set := range []*metrics.GaugeSet{&m.QuotaCountLimit, &m.QuotaBytesLimit, &m.QuotaCountUsage, &m.QuotaBytesUsage} {
		set.From(func() []metrics.LabelValue { return label })
	}
	m.QuotaExceededError.At([]byte("a")).Inc()
	m.ReadPerNamespace.At([]byte("a")).Observe(70)
	for _, name := range []string{"a", "e", "e2", "zookeeper"} {
		m.WritePerNamespace.At([]byte(name)).Observe(3)
	}
	m.NumAliveConnections.Set(3)
	m.GlobalSessions.Set(2)
	m.EphemeralsCount.Set(2)
	m.WatchCount.Set(4)
	m.ZnodeCount.Set(12)
	m.Uptime.Set(1000)
	m.ApproximateDataSize.Set(100)
	m.OpenFileDescriptorCount.From(admin.OpenFiles)
	m.MaxFileDescriptorCount.From(admin.MaxFiles)
	m.PacketsReceived.AddN(140)
	m.BytesReceivedCount.AddN(9000)
	m.ClientResponseSize.Observe(88)
	return s
}

func (s *source) Status() admin.Status {
	return admin.Status{Serving: true, Mode: admin.Standalone, Zxid: 0x8b}
}

func (s *source) Metrics() *metrics.Server { return &s.metrics }

func (s *source) Settings() admin.Settings {
	return admin.Settings{ClientPort: 2181, SecureClientPort: -1, DataDir: "/d/version-2", DataLogDir: "/d/version-2",
		TickTime: 2000, MaxClientCnxns: 60, MinSessionTimeout: 4000, MaxSessionTimeout: 40000, ListenBacklog: -1}
}

func (s *source) DirSizes() admin.DirSizes { return admin.DirSizes{Data: 500, Log: 500} }

func (s *source) Connections() []admin.Connection {
	from := netip.MustParseAddr("127.0.0.1")
	list := []admin.Connection{
		{Remote: netip.AddrPortFrom(from, 4001), InterestOps: 1, Session: s.alice, LastOperation: "GETD", Timeout: 30000, LastCxid: 9},
		{Remote: netip.AddrPortFrom(from, 4002), InterestOps: 1, Session: s.bob, LastOperation: "GETC", Timeout: 30000, LastCxid: 3},
		{Remote: netip.AddrPortFrom(from, 4003)},
	}
	for i := range list {
		list[i].Established, list[i].Expires = time.UnixMilli(1795331109000), time.UnixMilli(1795331130000)
	}
	return list
}

func (s *source) ResetConnections() { s.reset = true }

func (s *source) Sessions() admin.Sessions {
	expires := time.UnixMilli(1795331130000)
	return admin.Sessions{Global: []admin.Session{{ID: s.alice, Expires: expires}, {ID: s.bob, Expires: expires}}}
}

func (s *source) Ephemerals() []admin.SessionPath {
	return []admin.SessionPath{{Session: s.alice, Path: "/e2"}, {Session: s.alice, Path: "/e"}}
}

func (s *source) Watches() []admin.SessionPath {
	return []admin.SessionPath{{Session: s.bob, Path: "/nope"}, {Session: s.bob, Path: "/a"}, {Session: s.alice, Path: "/a"}}
}

func (s *source) WatchSummary() admin.WatchSummary {
	return admin.WatchSummary{Connections: 2, Paths: 2, Watches: 3}
}

func (s *source) Digests() []admin.Digest { return []admin.Digest{{Zxid: 0x80, Version: 2, Value: 1}} }

// masks turn what differs between any two runs into a letter for its kind; a
// kind written wrongly does not match and stays.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`(3\.9\.5)-[0-9a-f]{40}, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC`), "<version>"},
	{regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z+\-0-9]+ \d{4}`), "<date>"},
	{regexp.MustCompile(`/127\.0\.0\.1:\d+`), "<address>"},
	{regexp.MustCompile(`(dataDir|dataLogDir)=/.*/version-2$`), "$1=<directory>"},
	{regexp.MustCompile(`^[0-9a-f]+: -?\d+$`), "<digest>"},
	{regexp.MustCompile(`0x[0-9a-f]+`), "<hex>"},
	{regexp.MustCompile(`\b\d+\.\d{1,4}\b`), "<fraction>"},
	{regexp.MustCompile(`([=:/ (\t]|^)-?\d+`), "$1<n>"},
}

// shape masks an answer line by line. Where Java has no order, the lines are
// sorted; of dump, in which sessions that connect at a bad moment fall into
// two buckets, each shape counts once.
func shape(word, answer string) []string {
	lines := strings.Split(answer, "\n")
	for i, line := range lines {
		if word == "envi" {
			line, _, _ = strings.Cut(line, "=")
		}
		for _, m := range masks {
			line = m.pattern.ReplaceAllString(line, m.mask)
		}
		lines[i] = line
	}
	switch word {
	case "cons", "stat":
		sortClients(lines)
	case "wchc", "wchp":
		slices.Sort(lines)
	case "dump":
		slices.Sort(lines)
		lines = slices.Compact(lines)
	}
	return lines
}

// sortClients sorts the run of lines that show connections.
func sortClients(lines []string) {
	client := func(line string) bool { return strings.HasPrefix(line, " ") }
	from := slices.IndexFunc(lines, client)
	to := from
	for to >= 0 && to < len(lines) && client(lines[to]) {
		to++
	}
	if from >= 0 {
		slices.Sort(lines[from:to])
	}
}

// groups are the kinds of metrics in Java's order, each with the key that
// comes first in ours.
var groups = []string{"version", "avg_latency", "a_quota_count_limit_per_namespace", "add_dead_watcher_stall_time",
	"a_quota_exceeded_error_per_namespace", "avg_commit_commit_proc_req_queued", "avg_close_session_prep_time",
	"avg_a_read_per_namespace"}

// compareMonitor wants the same keys, the same groups in the same order, the
// same order of the keys of a summary, and whole numbers and fractions alike.
func compareMonitor(t *testing.T, theirs, ours string) {
	t.Helper()
	want, got := monitor(t, theirs), monitor(t, ours)
	group, place := map[string]int{}, -1
	for i, line := range got {
		if slices.Contains(groups, line.key) {
			place++
			if groups[place] != line.key {
				t.Errorf("group %d starts with %s", place, line.key)
			}
		}
		group[line.key] = place
		if strings.HasPrefix(line.key, "min_") && strings.HasPrefix(got[i-1].key, "avg_") {
			summary := line.key[4:]
			j := slices.IndexFunc(want, func(w monitorLine) bool { return w.key == "avg_"+summary })
			for k := -1; j >= 0 && k < len(got)-i && strings.HasSuffix(got[i+k].key, "_"+summary); k++ {
				if got[i+k].key != want[j+1+k].key {
					t.Errorf("%s stands where Java has %s", got[i+k].key, want[j+1+k].key)
				}
			}
		}
	}
	place = 0
	for _, w := range want {
		i := slices.IndexFunc(got, func(g monitorLine) bool { return g.key == w.key })
		if i < 0 {
			t.Errorf("Java prints %s, ours does not", w.key)
			continue
		}
		if strings.Contains(w.value, ".") != strings.Contains(got[i].value, ".") {
			t.Errorf("%s is %s in Java and %s in ours", w.key, w.value, got[i].value)
		}
		if group[w.key] < place {
			t.Errorf("Java prints %s in a later group than ours", w.key)
		}
		place = group[w.key]
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w monitorLine) bool { return w.key == g.key }) {
			t.Errorf("ours prints %s, Java does not", g.key)
		}
	}
}

// compareReset: what is not 0 after srst in Java is not 0 in ours. (The
// other way round cannot be said, Java's time goes on.)
func compareReset(t *testing.T, theirs, ours string) {
	t.Helper()
	got := monitor(t, ours)
	// Java counts the words asked since; srst itself counts among those.
	since := []string{"packets_received", "packets_sent", "bytes_received_count"}
	survived := 0
	for _, w := range monitor(t, theirs) {
		i := slices.IndexFunc(got, func(g monitorLine) bool { return g.key == w.key })
		zero := w.value == "0" || w.value == "0.0"
		if i < 0 || zero || slices.Contains(since, w.key) {
			continue
		}
		survived++
		if got[i].value == "0" || got[i].value == "0.0" {
			t.Errorf("%s is %s in Java after srst and %s in ours", w.key, w.value, got[i].value)
		}
	}
	if survived < 10 {
		t.Errorf("only %d values survive in Java:\n%s", survived, theirs)
	}
	for _, g := range got {
		if strings.HasPrefix(g.key, "cnt_") && g.value != "0" {
			t.Errorf("%s is %s after srst", g.key, g.value)
		}
	}
}

type monitorLine struct{ key, value string }

func monitor(t *testing.T, answer string) []monitorLine {
	t.Helper()
	var list []monitorLine
	for _, line := range strings.Split(strings.TrimSuffix(answer, "\n"), "\n") {
		key, value, tab := strings.Cut(line, "\t")
		name, prefix := strings.CutPrefix(key, "zk_")
		if !tab || !prefix || value == "" {
			t.Errorf("no line of mntr: %q", line)
		}
		list = append(list, monitorLine{name, value})
	}
	return list
}

// What the whitelist refuses is refused in the same words, and what it allows
// is allowed; the trace mask is kept.
func TestRefusalsAreThoseOfApache(t *testing.T) {
	harness.Ring(t)
	const telnetClose = "\xff\xf4\xff\xfd"
	mask := "stmk\x00\x00\x00\x00\x00\x00\x01\x32"
	for _, whitelist := range []string{"*", " ruok , bogus", "gtmk,stmk,telnet close,isro"} {
		java := harness.Start(t, harness.Options{Kind: harness.Java, Lines: []string{"4lw.commands.whitelist=" + whitelist}})
		gate, _ := admin.ParseWhitelist(whitelist, false)
		for _, word := range append([]string{mask, telnetClose}, words...) {
			name := admin.WordName(binary.BigEndian.Uint32([]byte(word)))
			want := java.FourLetter(word)
			got := execute(t, word, &source{}, gate)
			fixed := slices.Contains([]string{"gtmk", "stmk", "isro", "ruok", "telnet close", "crst", "srst"}, name)
			refused := strings.Contains(want, "whitelist")
			if (fixed || refused) && got != want || refused == gate.Allows(binary.BigEndian.Uint32([]byte(word))) {
				t.Errorf("whitelist %q, %s: Java %q, ours %q", whitelist, name, want, got)
			}
		}
		java.Stop()
	}
}

// A member without a quorum serves nothing and says so.
func TestAnswersWithoutQuorumAreThoseOfApache(t *testing.T) {
	harness.Ring(t)
	addr := startLonely(t)
	all, _ := admin.ParseWhitelist("*", false)
	for _, word := range words {
		want, err := harness.FourLetter(addr, word)
		if err != nil {
			t.Fatal(err)
		}
		got := execute(t, word, nil, all)
		if word == "envi" {
			want, got = want[:len("Environment:\n")], got[:len("Environment:\n")]
		}
		if got != want {
			t.Errorf("%s: Java %q, ours %q", word, want, got)
		}
	}
}

// startLonely starts one Java server of an ensemble of three and waits until
// it answers ruok.
func startLonely(t *testing.T) (addr string) {
	t.Helper()
	p := harness.Prepare(t, harness.Options{Kind: harness.Java})
	lines := []string{}
	for id := 1; id <= 3; id++ {
		lines = append(lines, fmt.Sprintf("server.%d=127.0.0.1:%d:%d", id, unusedPort(t), unusedPort(t)))
	}
	p.Configure(lines, nil)
	writeFile(t, p.DataDir()+"/myid", "1\n")
	run(t, harness.JavaCommand(t, nil, "org.apache.zookeeper.server.quorum.QuorumPeerMain", p.ConfigFile()))
	harness.Until(t, "imok of a member without quorum", nil, func() bool { return p.FourLetter("ruok") == "imok" })
	return p.Addr()
}
