package admin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/internal/metrics"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("CET", 3600)
	os.Exit(m.Run())
}

// server is a Source that stands still.
type server struct {
	status      Status
	metrics     metrics.Server
	settings    Settings
	sizes       DirSizes
	connections []Connection
	resets      int
	sessions    Sessions
	ephemerals  []SessionPath
	watches     []SessionPath
	summary     WatchSummary
	digests     []Digest
}

func (s *server) Status() Status             { return s.status }
func (s *server) Metrics() *metrics.Server   { return &s.metrics }
func (s *server) Settings() Settings         { return s.settings }
func (s *server) DirSizes() DirSizes         { return s.sizes }
func (s *server) Connections() []Connection  { return slices.Clone(s.connections) }
func (s *server) ResetConnections()          { s.resets++ }
func (s *server) Sessions() Sessions         { return s.sessions }
func (s *server) Ephemerals() []SessionPath  { return slices.Clone(s.ephemerals) }
func (s *server) Watches() []SessionPath     { return slices.Clone(s.watches) }
func (s *server) WatchSummary() WatchSummary { return s.summary }
func (s *server) Digests() []Digest          { return s.digests }

var morning = time.Date(2026, 11, 22, 7, 5, 9, 0, time.UTC)

// standalone is a server with a little of everything.
func standalone() *server {
	s := &server{
		status: Status{Serving: true, Mode: Standalone, Zxid: 0x1b},
		settings: Settings{ClientPort: 2181, SecureClientPort: -1, DataDir: "/data/version-2", DataLogDir: "/log/version-2",
			TickTime: 2000, MaxClientCnxns: 60, MinSessionTimeout: 4000, MaxSessionTimeout: 40000, ListenBacklog: -1},
		sizes: DirSizes{Data: 478, Log: 67108880},
		connections: []Connection{
			{Remote: netip.MustParseAddrPort("127.0.0.1:33352"), InterestOps: 1, Received: 25, Sent: 24, Outstanding: 1,
				Session: 0x1000019b7180000, LastOperation: "ADDW", Established: morning, Timeout: 10000, LastCxid: 0x18,
				LastZxid: 0x1b, LastResponse: 1715946, LastLatency: 2, MinLatency: 0, AvgLatency: 10, MaxLatency: 44,
				Expires: morning.Add(12 * time.Second)},
			{Remote: netip.MustParseAddrPort("[::1]:36660"), InterestOps: 5, Session: -2, LastOperation: "NA", Established: morning,
				Timeout: 4000, LastCxid: -1, LastZxid: -1, Expires: morning.Add(6 * time.Second)},
			{Remote: netip.MustParseAddrPort("[::ffff:10.1.2.3]:4000"), Received: 1, Expires: morning.Add(12 * time.Second)},
		},
		sessions: Sessions{Global: []Session{
			{ID: 0x1000019b7180001, Timeout: 10000, Expires: morning.Add(12 * time.Second)},
			{ID: 0x1000019b7180000, Timeout: 10000, Expires: morning.Add(12 * time.Second)},
			{ID: -2, Timeout: 4000, Expires: morning.Add(6 * time.Second)},
		}},
		ephemerals: []SessionPath{{0x1000019b7180000, "/e2"}, {-2, "/x"}, {0x1000019b7180000, "/e"}},
		watches:    []SessionPath{{2, "/nope"}, {1, "/a"}, {2, "/a"}},
		summary:    WatchSummary{Connections: 2, Paths: 2, Watches: 3},
		digests:    []Digest{{Zxid: 0x80, Version: 2, Value: 1371985504}, {Zxid: 0x100, Version: 2, Value: -5}},
	}
	m := &s.metrics
	m.PacketsReceived.AddN(29)
	m.PacketsSent.AddN(30)
	m.NumAliveConnections.Set(3)
	m.OutstandingRequests.Set(1)
	m.ZnodeCount.Set(27)
	m.ObserveReads(0, 4)
	m.ObserveUpdates(44, 1)
	m.ObserveUpdates(7, 1)
	m.QuotaCountLimit.From(func() []metrics.LabelValue { return []metrics.LabelValue{{Label: "app", Value: 100}} })
	m.ReadPerNamespace.At([]byte("app")).Observe(71)
	return s
}

func open(t testing.TB) Whitelist {
	t.Helper()
	all, unknown := ParseWhitelist("*", false)
	if len(unknown) > 0 {
		t.Fatal(unknown)
	}
	return all
}

func answer(t testing.TB, name string, src Source, gate Whitelist, next8 ...byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := Execute(&b, word(name), next8, src, gate); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func word(name string) uint32 {
	if name == "telnet close" {
		return 0xfff4fffd
	}
	return binary.BigEndian.Uint32([]byte(name))
}

// golden compares with a file of testdata; the version of the build is masked.
func golden(t *testing.T, file, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, ZooKeeperVersion(), "VERSION")
	path := filepath.Join("testdata", file)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -rewrite writes it anew):\n got:\n%s\nwant:\n%s", file, got, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, name := range []string{"conf", "cons", "crst", "dirs", "dump", "gtmk", "hash", "isro", "mntr", "ruok",
		"srvr", "stat", "wchc", "wchp", "wchs", "telnet close", "srst"} {
		src := standalone()
		golden(t, strings.ReplaceAll(name, " ", "-")+".txt", answer(t, name, src, open(t)))
		if (name == "crst") != (src.resets == 1) {
			t.Errorf("%s reset the connections %d times", name, src.resets)
		}
		if name == "srst" {
			golden(t, "srvr-after-srst.txt", answer(t, "srvr", src, open(t)))
		}
	}
}

func TestAnswersOfAnEmptyServer(t *testing.T) {
	src := &server{status: Status{Serving: true, Mode: Standalone}}
	src.sessions.LocalEnabled = true
	var all strings.Builder
	for _, name := range []string{"cons", "dump", "hash", "srvr", "stat", "wchc", "wchp", "wchs"} {
		all.WriteString("== " + name + "\n" + answer(t, name, src, open(t)))
	}
	golden(t, "empty.txt", all.String())
}

// The words look different in an ensemble.
func TestAnswersInAnEnsemble(t *testing.T) {
	src := standalone()
	src.settings.Ensemble = &EnsembleSettings{InitLimit: 10, SyncLimit: 5, ElectionAlg: 3, ElectionPort: []int{3888, 3889},
		QuorumPort: []int{2888}, Observing: true, Membership: "server.1=a:2888:3888:participant;0.0.0.0:2181\nversion=100000000"}
	src.sessions = Sessions{Learner: true, LocalEnabled: true, Global: src.sessions.Global[:2], Local: src.sessions.Global[2:]}
	src.status = Status{Serving: true, Mode: Observer, Zxid: 1 << 32, PeerState: "observing - broadcast", ObserverMasterID: 2}
	var all strings.Builder
	add := func(names ...string) {
		for _, name := range names {
			text := answer(t, name, src, open(t))
			if name == "mntr" {
				text = strings.Join(strings.SplitAfter(text, "\n")[:4], "")
			}
			all.WriteString("== " + name + " of a " + string(src.status.Mode) + "\n" + text + "\n")
		}
	}
	add("conf", "dump", "mntr")
	src.sessions.Learner = false
	src.status = Status{Serving: true, Mode: Leader, Proposals: new(metrics.Sizes), PeerState: "leading - broadcast"}
	add("dump", "srvr", "isro")
	for _, size := range []int64{48, 36, 100} {
		src.status.Proposals.Observe(size)
	}
	add("srvr", "srst", "srvr")
	src.status = Status{Serving: true, Mode: ReadOnly}
	add("srvr", "stat", "isro")
	golden(t, "ensemble.txt", all.String())
}

// What a server answers that has no quorum, and what there is before it.
func TestAnswersWhileNotServing(t *testing.T) {
	down := standalone()
	down.status.Serving = false
	for i := range commands {
		c := &commands[i]
		want := "This ZooKeeper instance is not currently serving requests\n"
		switch c.name {
		case "hash":
			want = strings.TrimSuffix(want, "\n")
		case "isro":
			want = "null"
		case "ruok":
			want = "imok"
		case "gtmk", "stmk":
			want = "306"
		case "telnet close":
			want = ""
		}
		for _, src := range []Source{nil, down} {
			got := answer(t, c.name, src, open(t), 0, 0, 0, 0, 0, 0, 1, 50)
			if got != want && (c.name != "envi" || !strings.HasPrefix(got, "Environment:\n")) {
				t.Errorf("%s: %q", c.name, got)
			}
		}
	}
	if down.resets != 0 || down.metrics.PacketsReceived.Value() != 29 {
		t.Error("a word changed a server that does not serve")
	}
}

func TestWhitelist(t *testing.T) {
	for _, c := range []struct {
		value    string
		readOnly bool
		allowed  string
		unknown  string
	}{
		{"", false, "srvr", ""},
		{"", true, "isro srvr", ""},
		{" ruok , bogus,,stat", false, "ruok srvr stat", "bogus"},
		{"RUOK", false, "srvr", "RUOK"},
		{"nope, * ,after", false, "conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs telnet close", "nope"},
		{"telnet close", false, "srvr telnet close", ""},
	} {
		gate, unknown := ParseWhitelist(c.value, c.readOnly)
		var allowed []string
		for i := range commands {
			name := commands[i].name
			if gate.Allows(commands[i].word) {
				allowed = append(allowed, name)
				continue
			}
			want := name + " is not executed because it is not in the whitelist.\n"
			if got := answer(t, name, standalone(), gate); got != want {
				t.Errorf("%q refuses %s with %q", c.value, name, got)
			}
		}
		if got := strings.Join(allowed, " "); got != c.allowed {
			t.Errorf("%q allows %s, want %s", c.value, got, c.allowed)
		}
		if got := strings.Join(unknown, " "); got != c.unknown {
			t.Errorf("%q has unknown %q", c.value, got)
		}
	}
	if (Whitelist{}).Allows(wordSrvr) || open(t).Allows(7) {
		t.Error("what is not in the list is allowed")
	}
}

func TestTraceMask(t *testing.T) {
	defer traceMask.Store(306)
	if got := answer(t, "stmk", nil, open(t), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe); got != "-2" {
		t.Errorf("stmk answers %q", got)
	}
	if got := answer(t, "gtmk", nil, open(t)); got != "-2" {
		t.Errorf("gtmk answers %q", got)
	}
	var b bytes.Buffer
	if err := Execute(&b, wordStmk, []byte("123"), nil, open(t)); err == nil || b.Len() > 0 {
		t.Errorf("a short mask: %v, %q", err, b.String())
	}
	if TrailingBytes(wordStmk) != 8 || TrailingBytes(wordRuok) != 0 {
		t.Error("bytes after the word")
	}
}

func TestEnvironment(t *testing.T) {
	want := []string{"zookeeper.version", "host.name", "java.version", "java.vendor", "java.home", "java.class.path",
		"java.library.path", "java.io.tmpdir", "java.compiler", "os.name", "os.arch", "os.version", "user.name",
		"user.home", "user.dir", "os.memory.free", "os.memory.max", "os.memory.total"}
	head, rest, _ := strings.Cut(answer(t, "envi", nil, open(t)), "\n")
	if head != "Environment:" {
		t.Errorf("starts with %q", head)
	}
	lines := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		if key != want[i] || value == "" {
			t.Errorf("line %d is %q, want the key %s", i, line, want[i])
		}
		if strings.HasPrefix(key, "os.memory.") && !regexp.MustCompile(`^[1-9]\d*MB$|^0MB$`).MatchString(value) {
			t.Errorf("%q", line)
		}
	}
}

func TestVersion(t *testing.T) {
	full := regexp.MustCompile(`^3\.9\.5-[0-9a-f]{40}, built on 20\d\d-\d\d-\d\d \d\d:\d\d UTC$`)
	if v := ZooKeeperVersion(); !full.MatchString(v) {
		t.Errorf("version %q", v)
	}
	b := build("293c895a8d966a3ecb92872be4a1daf87d725da2", "2026-02-11T21:18:05+01:00")
	if b.Commit[:4] != "293c" || b.Time.Format(time.RFC3339) != "2026-02-11T20:18:05Z" {
		t.Errorf("%v", b)
	}
	if b = build("dirty", ""); b.Commit != noCommit || b.Time.Year() < 2020 {
		t.Errorf("%v", b)
	}
}

func TestFiles(t *testing.T) {
	if n := OpenFiles(); n < 3 || n > 1000 {
		t.Errorf("%d open files", n)
	}
	if n := MaxFiles(); n < 16 {
		t.Errorf("%d files allowed", n)
	}
}

func TestOperationName(t *testing.T) {
	for opcode, want := range map[int32]string{-10: "SESS", -11: "CLOS", 1: "CREA", 15: "CREA", 19: "CREA", 21: "CREA",
		2: "DELE", 20: "DELE", 8: "GETC", 12: "GETC", 104: "GETACN", 107: "HOMI", 100: "NA", 99: "NA", -1: "NA"} {
		if got := OperationName(opcode); got != want {
			t.Errorf("%d: %s, want %s", opcode, got, want)
		}
	}
}

func TestTableIsWhole(t *testing.T) {
	if len(commands) > 32 {
		t.Fatal("Whitelist has 32 bits")
	}
	words, aliases := map[uint32]bool{}, map[string]bool{}
	for _, c := range commands {
		if !IsCommand(c.word) || c.word != word(c.name) || words[c.word] {
			t.Errorf("word of %s", c.name)
		}
		words[c.word] = true
		for _, alias := range c.aliases {
			if aliases[alias] {
				t.Errorf("alias %s is there twice", alias)
			}
			aliases[alias] = true
		}
		if len(c.aliases) > 0 && !aliases[c.name] {
			t.Errorf("%s is no alias of itself", c.name)
		}
		if WordName(c.word) != c.name {
			t.Errorf("name of %s", c.name)
		}
	}
	for _, length := range []uint32{0, 45, 1 << 20, 0xffffffff, word("zzzz"), word("reqs")} {
		if IsCommand(length) || WordName(length) != "" {
			t.Errorf("%x is taken for a command", length)
		}
		if err := Execute(new(bytes.Buffer), length, nil, nil, open(t)); err == nil {
			t.Errorf("%x was executed", length)
		}
	}
}

type broken struct{}

var errBroken = errors.New("gone")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorIsReturned(t *testing.T) {
	if err := Execute(broken{}, wordMntr, nil, standalone(), open(t)); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

func TestSniffDoesNotAllocate(t *testing.T) {
	known := false
	n := testing.AllocsPerRun(100, func() { known = IsCommand(45) || IsCommand(wordStat) })
	if n != 0 || !known {
		t.Errorf("%v allocations, stat is known: %v", n, known)
	}
}

// FuzzSniff: whatever a connection starts with, it is a word exactly if
// Execute knows it, and a word is always answered in one of Java's ways.
func FuzzSniff(f *testing.F) {
	for i := range commands {
		f.Add(binary.BigEndian.AppendUint32(nil, commands[i].word), "*", true)
	}
	f.Add([]byte("stmk\x00\x00\x00\x00\x00\x00\x00\x07"), "stmk", true)
	f.Add([]byte("ruok\n"), "ruok, stat", false)
	f.Add([]byte("\x00\x00\x00\x2d"), "", true)
	f.Fuzz(func(t *testing.T, start []byte, whitelist string, serving bool) {
		if len(start) < 4 {
			return
		}
		gate, _ := ParseWhitelist(whitelist, false)
		src := standalone()
		src.status.Serving = serving
		w := binary.BigEndian.Uint32(start)
		var b bytes.Buffer
		err := Execute(&b, w, start[4:], src, gate)
		if !IsCommand(w) {
			if err == nil || b.Len() > 0 {
				t.Fatalf("%x was executed", w)
			}
			return
		}
		refused := strings.HasSuffix(b.String(), " is not executed because it is not in the whitelist.\n")
		if refused == gate.Allows(w) && err == nil {
			t.Fatalf("whitelist %q, word %s: %q", whitelist, WordName(w), b.String())
		}
		if err != nil && (w != wordStmk || len(start) >= 12) {
			t.Fatal(err)
		}
	})
}

func BenchmarkMntr(b *testing.B) {
	src, gate := standalone(), open(b)
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := Execute(&out, wordMntr, nil, src, gate); err != nil {
			b.Fatal(err)
		}
	}
}
