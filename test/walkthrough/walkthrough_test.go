// Package walkthrough takes the release archive the way that a new operator
// does, on machines of its own: unpack, write zoo.cfg and myid, start, look,
// use, restart, stop. The ways are walkthrough.sh (one server) and ensemble.sh
// (three), which read like pages of a manual; the tests play them and check
// every line that an operator looks at.
package walkthrough

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestWalkthrough is the way of one server, on a machine of its own.
func TestWalkthrough(t *testing.T) {
	check(t, play(t, "sandbox.sh", "walkthrough.sh"), expectations)
}

// play runs a walkthrough on the machine or machines that a script makes and
// returns what was seen. It needs what `make dist` leaves in dist/. It plays in
// namespaces of its own (network, files, processes, host name), on the real
// ports and the real paths, as an ordinary user.
func play(t *testing.T, script, walkthrough string) string {
	t.Helper()
	if os.Getenv("ZOOID_INTEROP") == "" {
		t.Skip("part of the interop ring: make walkthrough, or make dist and ZOOID_INTEROP=1")
	}
	archives, err := filepath.Glob("../../dist/zooid-*-linux-" + runtime.GOARCH + ".tar.gz")
	if err != nil || len(archives) != 1 {
		t.Fatalf("dist/ must hold one archive for %s, it holds %v: run make dist", runtime.GOARCH, archives)
	}
	args := []string{"--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, "bash", script, archives[0], walkthrough, t.TempDir())
	cmd := exec.Command("unshare", args...)
	var transcript bytes.Buffer
	cmd.Stdout, cmd.Stderr = &transcript, &transcript
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, transcript.String())
	}
	t.Log(transcript.String())
	return transcript.String()
}

// A step of the transcript is a line "$ command" or "machine$ command" and what
// follows it.
type stepOutput struct {
	machine, command, output string
}

var prompt = regexp.MustCompile(`(?m)^(cdh\d+)?\$ `)

func split(transcript string) []stepOutput {
	var steps []stepOutput
	prompts := prompt.FindAllStringSubmatchIndex(transcript, -1)
	for i, at := range prompts {
		end := len(transcript)
		if i+1 < len(prompts) {
			end = prompts[i+1][0]
		}
		machine := ""
		if at[2] >= 0 {
			machine = transcript[at[2]:at[3]]
		}
		command, output, _ := strings.Cut(transcript[at[1]:end], "\n")
		if strings.Contains(command, "<<") { // a here-document belongs to the command
			text, rest, _ := strings.Cut(output, "\nCOMMANDS\n")
			command, output = command+"\n"+text, rest
		}
		steps = append(steps, stepOutput{machine, command, output})
	}
	return steps
}

// check compares the transcript with the expectations: for each step the
// patterns must match lines of its output, in their order.
func check(t *testing.T, transcript string, expectations []expectation) {
	t.Helper()
	steps := split(transcript)
	for i, want := range expectations {
		if i >= len(steps) {
			t.Fatalf("the walkthrough ended before %q", want.command)
		}
		got := steps[i]
		if !strings.HasPrefix(got.command, want.command) || want.machine != "" && want.machine != got.machine {
			t.Fatalf("step %d is %q on %s, expected %q on %s", i+1, got.command, got.machine, want.command, want.machine)
		}
		lines := strings.Split(got.output, "\n")
		for _, pattern := range want.lines {
			re := regexp.MustCompile("^(?:" + pattern + ")$")
			found := false
			for j, line := range lines {
				if re.MatchString(line) {
					lines, found = lines[j+1:], true
					break
				}
			}
			if !found {
				t.Errorf("$ %s\nno line (left) matches %q in:\n%s", got.command, pattern, got.output)
				break
			}
		}
		for _, pattern := range want.anywhere {
			if !regexp.MustCompile("(?m)^(?:" + pattern + ")$").MatchString(got.output) {
				t.Errorf("$ %s\nno line matches %q in:\n%s", got.command, pattern, got.output)
			}
		}
		if !want.fails && strings.Contains(got.output, "(exit code ") {
			t.Errorf("$ %s\nfailed:\n%s", got.command, got.output)
		}
	}
	if len(steps) != len(expectations) {
		t.Errorf("%d steps were played, %d expected", len(steps), len(expectations))
	}
}

// expectation is what a step must print: whole lines as regular expressions,
// in order, with others between them, and some that come when they come, as
// events do. A step that fails ends with its code.
type expectation struct {
	machine  string // of several; empty: any
	command  string
	lines    []string
	anywhere []string
	fails    bool
}

var usingConfig = `Using config: /application/hadoop/zookeeper/bin/\.\./conf/zoo\.cfg`

var expectations = []expectation{
	{command: "whoami", lines: []string{"hadoop|root"}},
	{command: "tar -xzf"},
	{command: "ln -s"},
	{command: "ls zookeeper/", lines: []string{`.*\bbin`, "conf", "docs"}},
	{command: "mkdir"},
	{command: "echo 1"},
	{command: ". ~/.bash_profile"},
	{command: "zkServer.sh start", lines: []string{"ZooKeeper JMX enabled by default", usingConfig, `Starting zookeeper \.\.\. STARTED`}},
	{command: "zkServer.sh status", lines: []string{
		"ZooKeeper JMX enabled by default", usingConfig,
		`Client port found: 2181\. Client address: localhost\. Client SSL: false\.`, "Mode: standalone",
	}},
	{command: "zkServer.sh start", fails: true, lines: []string{`Starting zookeeper \.\.\. already running as process \d+\.`, `\(exit code 1\)`}},
	{command: "cat /data/zookeeper/zkdata/zookeeper_server.pid", lines: []string{"1"}},
	{command: "zkCli.sh -server localhost:2181 create", lines: []string{"Created /app"}},
	{command: "zkCli.sh -server localhost:2181 get /app", lines: []string{"hello"}},
	{command: "zkCli.sh -server localhost:2181 get /nothing", fails: true, lines: []string{"Node does not exist: /nothing", `\(exit code 1\)`}},
	{command: "zkCli.sh -server localhost:2181 ls /", lines: []string{`\[app, zookeeper\]`}},
	{command: "zkCli.sh -server localhost:2181 <<", anywhere: []string{
		"WATCHER::", "WatchedEvent state:SyncConnected type:NodeDataChanged path:/app/config.*",
	}, lines: []string{
		"Connecting to localhost:2181",
		"Welcome to ZooKeeper!",
		`.*\[app, zookeeper\]`,
		".*Created /app/config",
		".*Created /app/task-0000000001",
		".*Created /app/task-0000000002",
		".*Created /app/worker",
		".*Created /app/box",
		".*/app", "/app/box", "/app/config", "/app/task-0000000001", "/app/task-0000000002", "/app/worker",
		".*a=1",
		"cZxid = 0x[0-9a-f]+", "ctime = .* UTC 20[0-9][0-9]", "mZxid = 0x[0-9a-f]+", "mtime = .*", "pZxid = 0x[0-9a-f]+",
		"cversion = 0", "dataVersion = 0", "aclVersion = 0", "ephemeralOwner = 0x0", "dataLength = 3", "numChildren = 0",
		".*version No is not valid : /app/config",
		".*a=2",
		".*cZxid = 0x[0-9a-f]+", "numChildren = 5",
		".*Created /app/private",
		".*'digest,'alice:.*", ": cdrwa",
		".*Insufficient permission : /app/config",
		".*'world,'anyone", ": ra",
		".*Auth scheme: User", "ip: .*|digest: alice",
		".*a=2",
		`.*\[/app/worker\]`,
		".*6",
		".*absolute path is /zookeeper/quota/app/zookeeper_limits",
		"Output quota for /app count=20,bytes=-1.*",
		"Output stat for /app count=7,bytes=.*",
		".*Sync is OK",
		`.*ZooKeeper CLI version: 3\.9\.5.*`,
		".*Node not empty: /app",
		`.*\[zookeeper\]`,
		".*Created /survives",
		".*Command not found: Command not found nonsense",
		".* - history",
	}},
	{command: "zkServer.sh restart", lines: []string{`Stopping zookeeper \.\.\. STOPPED`, `Starting zookeeper \.\.\. STARTED`}},
	{command: "zkServer.sh status", lines: []string{"Mode: standalone"}},
	{command: "zkCli.sh -server localhost:2181 get /survives", lines: []string{"the restart"}},
	{command: "zkCli.sh -server localhost:2181 delete /survives"},
	{command: "zkServer.sh stop", lines: []string{`Stopping zookeeper \.\.\. STOPPED`}},
	{command: "zkServer.sh status", fails: true, lines: []string{`Error contacting service\. It is probably not running\.`, `\(exit code 1\)`}},
	{command: "zkServer.sh stop", lines: []string{
		`Stopping zookeeper \.\.\. no zookeeper to stop \(could not find file /data/zookeeper/zkdata/zookeeper_server\.pid\)`,
	}},
	{command: "ls /data/zookeeper/zkdata", lines: []string{"myid", "version-2", "", "/data/zookeeper/zkdata/version-2:", `snapshot\..*`}},
	{command: "ls /data/zookeeper/zklog", lines: []string{`log\.1`}},
}
