package shell

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peterh/liner"
	"go.uber.org/goleak"

	"zooid/internal/config"
	"zooid/zk"
	"zooid/zk/zktest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// run runs a shell with lines on standard input.
func run(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(args, Environment{
		Stdin: strings.NewReader(stdin), Stdout: &o, Stderr: &e, Version: "V", ReadFile: os.ReadFile,
		Properties: func(text []byte) (list [][2]string, err error) {
			entries, err := config.ReadProperties(text)
			for _, entry := range entries {
				list = append(list, [2]string{entry.Key, entry.Value})
			}
			return list, err
		},
		Membership: func(string, []byte) (string, error) { return "server.1=h:1:2;3", nil },
	})
	return o.String(), e.String(), code
}

var events = regexp.MustCompile(`\nWATCHER::\n\nWatchedEvent .*\n`)

func TestSplitLine(t *testing.T) {
	for line, want := range map[string][]string{
		"":                      nil,
		"  \t ":                 nil,
		"ls /":                  {"ls", "/"},
		"  ls \t /  ":           {"ls", "/"},
		`create /a "b  c"`:      {"create", "/a", "b  c"},
		`create /a 'it is "b"'`: {"create", "/a", `it is "b"`},
		`set /a ""`:             {"set", "/a", ""},
		`set /a ''`:             {"set", "/a", ""},
		`set /a "b"c`:           {"set", "/a", "b", "c"},
		`set /a b"c d"`:         {"set", "/a", `b"c`, `d`},
		`set /a "it's`:          {"set", "/a", "it's"},
		`"`:                     nil,
		`'"`:                    nil,
	} {
		got := splitLine(line)
		if line == `set /a b"c d"` {
			want = []string{"set", "/a", `b"c`, `d"`}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	cmd := &command{name: "x", exclusive: "nN", options: []option{
		{name: "s"}, {name: "w"}, {name: "v", value: true}, {name: "file", value: true}, {name: "n"}, {name: "N"}}}
	for line, want := range map[string]string{
		"x /a":            "[x /a]",
		"x -s /a":         "s [x /a]",
		"x /a -sw b":      "s w [x /a b]",
		"x -v 5 /a":       "v=5 [x /a]",
		"x -v5 /a":        "v=5 [x /a]",
		"x -v=5 /a":       "v=5 [x /a]",
		"x -sv 5":         "s v=5 [x]",
		"x -sv5":          "s v=5 [x]",
		"x -v -1 /a":      "v=-1 [x /a]",
		"x -v -z /a":      "v=-z [x /a]",
		"x -v 1 -v 2":     "v=1 [x]",
		`x -v "5"`:        "v=5 [x]",
		"x -file f -s":    "s file=f [x]",
		"x - /a":          "[x - /a]",
		"x -- -s /a":      "[x -s /a]",
		"x -n -n":         "n [x]",
		"x -z":            "! Unrecognized option: -z",
		"x -sz":           "! Unrecognized option: -sz",
		"x --s":           "! Unrecognized option: --s",
		"x -s=1":          "! Unrecognized option: -s=1",
		"x -file=f":       "! Unrecognized option: -file=f",
		"x -v":            "! Missing argument for option: v",
		"x -v -s":         "! Missing argument for option: v",
		"x -v -file f":    "! Missing argument for option: v",
		"x -n -N":         "! The option 'N' was specified but an option from this group has already been selected: 'n'",
		"x -1":            "! Unrecognized option: -1",
		"x -v 0x1p-2 - -": "v=0x1p-2 [x - -]",
	} {
		a, err := parseOptions(cmd, strings.Fields(line))
		got := ""
		if err != nil {
			got = "! " + err.Error()
		} else {
			for _, o := range cmd.options {
				if v, ok := a.values[o.name]; ok {
					got += o.name + "=" + v + " "
				} else if a.has(o.name) {
					got += o.name + " "
				}
			}
			got += fmt.Sprint(a.words)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestQuotaText(t *testing.T) {
	for text, want := range map[string]string{
		"count=5,bytes=-1": "count=5,bytes=-1",
		"":                 "count=-1,bytes=-1",
		"count=,bytes=7":   "count=-1,bytes=7",
		"count=-1,bytes=-1=;byteHardLimit=100;countHardLimit=5": "count=-1,bytes=-1=;byteHardLimit=100;countHardLimit=5",
	} {
		q, err := parseQuota([]byte(text))
		if err != nil || q.String() != want {
			t.Errorf("%q: %v %v", text, q, err)
		}
	}
	if _, err := parseQuota([]byte("count=x")); err == nil {
		t.Error("count=x was taken")
	}
}

func TestCommandsAgainstAServer(t *testing.T) {
	s := zktest.Start(t)
	out, errs, code := run(t, strings.Join([]string{
		`create /a "x y"`, "get /a", "ls /", "create -e /e", "getEphemerals", "set /a v2 -v 7", "delete /a 0", "quit", "ls /",
	}, "\n"), "-server", s.Addr())
	if want := "Connecting to " + s.Addr() + "\nWelcome to ZooKeeper!\nJLine support is disabled\n" +
		"x y\n[a, zookeeper]\n[/e]\n"; events.ReplaceAllString(out, "") != want {
		t.Errorf("stdout:\n%s\nwant:\n%s", out, want)
	}
	if want := "Created /a\nCreated /e\nversion No is not valid : /a\n" +
		"'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.\n"; errs != want {
		t.Errorf("stderr:\n%s\nwant:\n%s", errs, want)
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A one-shot command leaves the session of an ephemeral znode to its timeout,
// so that the znode can be seen, and closes any other.
func TestOneShotSessions(t *testing.T) {
	s := zktest.Start(t)
	c, err := zk.Dial(t.Context(), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, errs, code := run(t, "", "-server", s.Addr(), "create", "-e", "/e"); code != 0 || errs != "Created /e\n" {
		t.Errorf("create: %d %s", code, errs)
	}
	if found, st, err := c.Exists(t.Context(), "/e"); !found || st.EphemeralOwner == 0 || err != nil {
		t.Errorf("the ephemeral znode is gone: %v %v", found, err)
	}
}

func TestServersThatAreNot(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		errs string
	}{
		{[]string{"-server", "127.0.0.1:1", "ls", "/"}, 1, "connection refused; is a server running"},
		{[]string{"-server", "127.0.0.1:1,127.0.0.1:2", "ls", "/"}, 1, "ConnectionLoss for /"},
		{[]string{"-server", "127.0.0.1:1", "sync", "/"}, 1, "ConnectionLoss for /"},
		{[]string{"-server", "127.0.0.1:1", "-timeout", "300", "-waitforconnection", "ls", "/"}, 1, "no connection to 127.0.0.1:1 within 300 ms"},
		{[]string{"-server", "127.0.0.1:x", "ls", "/"}, 1, `port "x" is not a number`},
		{[]string{"-server", "127.0.0.1:1/a/", "ls", "/"}, 1, "must not end with /"},
		{[]string{"-server"}, 2, "no argument found for option -server"},
		{[]string{"-timeout", "x"}, 2, "-timeout takes a number"},
		{[]string{"-client-configuration", "/nonexistent"}, 2, "no such file"},
		{[]string{"-Djute.maxbuffer=x", "ls", "/"}, 2, "jute.maxbuffer=x"},
		{[]string{"-Dzookeeper.client.secure=true", "-Dzookeeper.ssl.trustStore.location=/x.jks", "ls"}, 2, "zookeeper.ssl.trustStore.location: open /x.jks"},
	} {
		_, errs, code := run(t, "", c.args...)
		if code != c.code || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: exit code %d, %s", c.args, code, errs)
		}
	}
}

// CVE-2016-5017: a command longer than anybody expects did harm in the C
// shell. Here it is a command that is not found, a path that is refused, or a
// line that is passed over, and what follows is carried out.
func TestOverlongInputIsHarmless(t *testing.T) {
	s := zktest.Start(t)
	long := strings.Repeat("A", 1<<20)
	script := strings.Join([]string{
		long,
		"create /" + long,
		"create /a " + long + long,
		"ls " + strings.Repeat("/a", 1<<18),
		strings.Repeat("x", maxLine+1),
		"create /a ok",
		strings.Repeat(`"`, 1<<18),
		"addauth digest " + strings.Repeat(":", 1<<16),
		"get /a",
	}, "\n")
	out, errs, code := run(t, script, "-server", s.Addr())
	if code != 0 || !strings.HasSuffix(out, "\nok\n") {
		t.Errorf("exit code %d, last of stdout %q", code, out[max(0, len(out)-100):])
	}
	for _, want := range []string{
		"Command not found AAAA", "the request is too large", "a line of more than", "Created /a\n", "Node does not exist: /a/a",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("stderr says nothing of %q", want)
		}
	}
	if _, errs, code = run(t, "", "-server", s.Addr(), long, long); code != 127 || !strings.Contains(errs, "Command not found") {
		t.Errorf("as arguments: exit code %d", code)
	}
	if _, _, code = run(t, "", "-server", long, "-timeout", long, "ls", "/"); code != 2 {
		t.Errorf("as options: exit code %d", code)
	}
	if _, errs, code = run(t, "", "-server", long, "-timeout", "1000", "ls", "/"); code != 1 || len(errs) == 0 {
		t.Errorf("as a server: exit code %d, %.200s", code, errs)
	}
}

func TestCompletion(t *testing.T) {
	server := zktest.Start(t)
	c, err := zk.Dial(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range []string{"/app", "/app/one", "/app/other", "/app/two", "/apple"} {
		if _, err := c.Create(t.Context(), p, nil, zk.Persistent, nil); err != nil {
			t.Fatal(err)
		}
	}
	s := &Shell{commands: commandTable(), client: c}
	for _, want := range []struct{ line, head, words, tail string }{
		{"ge", "", "get |getAcl |getAllChildrenNumber |getEphemerals ", ""},
		{"quit", "", "quit ", ""},
		{"nosuch", "", "", ""},
		{"get /a", "get ", "/app|/apple", ""},
		{"get /app/o", "get ", "/app/one|/app/other", ""},
		{"get /", "get ", "/app|/apple|/zookeeper", ""},
		{"get /nope/", "get ", "", ""},
		{"create -", "create ", "-e |-s |-c |-t ", ""},
		{"ls -R /app/t", "ls -R ", "/app/two", ""},
		{"get ü /app/t", "get ü ", "/app/two", ""},
	} {
		head, words, tail := s.complete(want.line+" rest", len([]rune(want.line)))
		if head != want.head || strings.Join(words, "|") != want.words || tail != " rest" {
			t.Errorf("%q: %q %q %q", want.line, head, words, tail)
		}
	}
}

func TestHistoryKeepsNoSecrets(t *testing.T) {
	dir := t.TempDir()
	s := &Shell{env: Environment{HistoryDir: dir}, console: newConsole(&bytes.Buffer{}, &bytes.Buffer{})}
	l := liner.NewLiner()
	defer l.Close()
	for _, line := range []string{"ls /", " addauth digest u:p", "get /a"} {
		if !secret(line) {
			l.AppendHistory(line)
		}
	}
	s.saveHistory(l)
	name := filepath.Join(dir, historyFileName)
	text, err := os.ReadFile(name)
	if err != nil || string(text) != "ls /\nget /a\n" {
		t.Errorf("%q %v", text, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestPrompt(t *testing.T) {
	server := zktest.Start(t)
	c, err := zk.Dial(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s := &Shell{client: c, host: "h:2181", count: 3}
	if got := s.prompt(); got != "[zk: h:2181(CONNECTED) 3] " {
		t.Error(got)
	}
	c.Close()
	if got := s.prompt(); got != "[zk: h:2181(CLOSED) 3] " {
		t.Error(got)
	}
	for state, want := range map[zk.State]string{
		zk.StateDisconnected: "CONNECTING", zk.StateConnectedReadOnly: "CONNECTEDREADONLY",
		zk.StateAuthFailed: "AUTH_FAILED", zk.StateExpired: "CLOSED",
	} {
		if got := stateName(state); got != want {
			t.Errorf("%v: %s", state, got)
		}
	}
}

func TestInterrupt(t *testing.T) {
	s := &Shell{interrupts: make(chan os.Signal, 1)}
	s.interrupts <- os.Interrupt
	err := s.interruptible(func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			return nil
		}
	})
	if err != errInterrupted {
		t.Error(err)
	}
}

// A reader that goes away, as in `zkCli.sh ls -R / | head`, ends the shell.
func TestClosedOutput(t *testing.T) {
	server := zktest.Start(t)
	code := Main([]string{"-server", server.Addr()}, Environment{
		Stdin: strings.NewReader("ls /\nls /\n"), Stdout: closedPipe{}, Stderr: &bytes.Buffer{},
	})
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }
