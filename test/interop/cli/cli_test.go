package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"zooid/test/interop/harness"
)

// result is what one run of a shell left behind.
type result struct {
	out, err string
	events   []string // of watches, taken out of out
	code     int
	raw      string
}

// run starts a shell and waits for its end.
func run(ctx context.Context, cmd *exec.Cmd, stdin string) result {
	var out, err bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &err
	ended := make(chan error, 1)
	if e := cmd.Start(); e != nil {
		return result{code: -1, err: e.Error()}
	}
	go func() { ended <- cmd.Wait() }()
	var exit *exec.ExitError
	code := 0
	select {
	case e := <-ended:
		if errors.As(e, &exit) {
			code = exit.ExitCode()
		} else if e != nil {
			code = -1
		}
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		code = -2
	}
	r := result{code: code, raw: out.String() + "--- stderr\n" + err.String()}
	r.out, r.events = takeEvents(out.String())
	r.out, r.err = mask(r.out), mask(dropLog(err.String()))
	return r
}

// Java's shell prints an event in two pieces, and what a command prints may come
// between them.
var (
	eventHead = regexp.MustCompile(`\nWATCHER::\n`)
	eventBody = regexp.MustCompile(`\nWatchedEvent state:(\w+) type:(\w+) path:(\S+) zxid: -?\d+\n`)
)

// takeEvents takes the events out of the output, as they come when they come.
// Those of the session depend on how quick a shell is and are left out.
func takeEvents(out string) (rest string, events []string) {
	for _, m := range eventBody.FindAllStringSubmatch(out, -1) {
		if m[2] != "None" || m[1] == "AuthFailed" {
			events = append(events, m[1]+" "+m[2]+" "+m[3])
		}
	}
	return eventBody.ReplaceAllString(eventHead.ReplaceAllString(out, ""), ""), events
}

var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?m)^(cZxid|mZxid|pZxid) = 0x[0-9a-f]+$`), "$1 = Z"},
	{regexp.MustCompile(`(?m)^(ctime|mtime) = \w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}$`), "$1 = T"},
	{regexp.MustCompile(`ephemeralOwner = 0x[1-9a-f][0-9a-f]+`), "ephemeralOwner = S"},
	{regexp.MustCompile(`ZooKeeper CLI version: 3\.9\.\d+-[0-9a-f]{40}, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC`), "ZooKeeper CLI version: V"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "SERVER"},
	// The class names of Apache's parser are of no use to a reader.
	{regexp.MustCompile(`org\.apache\.commons\.cli\.\w+: `), ""},
}

func mask(text string) string {
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.with)
	}
	return text
}

var logLine = regexp.MustCompile(`(?m)^(SLF4J|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|zooid cli: ).*\n`)

// dropLog takes the log lines of Apache's client, and ours in their place, out
// of standard error.
func dropLog(text string) string { return logLine.ReplaceAllString(text, "") }

// pair is one server for each shell.
type pair struct{ java, zooid *harness.Server }

func startPair(t *testing.T) pair {
	opt := harness.Options{
		// The sessions of one-shot shells end without a word; their ephemerals
		// must not go at one server a moment before they go at the other.
		Lines: []string{"extendedTypesEnabled=true", "minSessionTimeout=600000", "maxSessionTimeout=600000"},
		// Their own switches differ in where they are read.
		Properties: []string{"zookeeper.extendedTypesEnabled=true"},
	}
	return pair{java: harness.Start(t, opt), zooid: harness.Start(t, opt)}
}

// both runs one command line through both shells at the same time.
func (p pair) both(t *testing.T, options, args []string, stdin string) (java, zooid result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	line := func(s *harness.Server) []string {
		return append(append([]string{"-server", s.Addr()}, options...), args...)
	}
	quiet := []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-XX:-UsePerfData"}
	javaCmd := harness.JavaCommand(t, quiet, "org.apache.zookeeper.ZooKeeperMain", line(p.java)...)
	zooidCmd := exec.Command(harness.ZooidBinary(t), append([]string{"cli"}, line(p.zooid)...)...)
	var wait sync.WaitGroup
	wait.Go(func() { java = run(ctx, javaCmd, stdin) })
	wait.Go(func() { zooid = run(ctx, zooidCmd, stdin) })
	wait.Wait()
	return java, zooid
}

// compare fails the test where the two differ.
func compare(t *testing.T, what string, java, zooid result) {
	t.Helper()
	var diffs []string
	if java.out != zooid.out {
		diffs = append(diffs, fmt.Sprintf("stdout, java:\n%s\nzooid:\n%s", java.out, zooid.out))
	}
	if java.err != zooid.err {
		diffs = append(diffs, fmt.Sprintf("stderr, java:\n%s\nzooid:\n%s", java.err, zooid.err))
	}
	if j, z := strings.Join(java.events, "\n"), strings.Join(zooid.events, "\n"); j != z {
		diffs = append(diffs, fmt.Sprintf("events, java:\n%s\nzooid:\n%s", j, z))
	}
	if java.code != zooid.code {
		diffs = append(diffs, fmt.Sprintf("exit code, java: %d, zooid: %d", java.code, zooid.code))
	}
	if len(diffs) > 0 {
		t.Errorf("%s: the shells differ\n%s", what, strings.Join(diffs, "\n"))
	}
}

// TestOneShot runs commands one by one, each in a shell of its own.
func TestOneShot(t *testing.T) {
	harness.Ring(t)
	p := startPair(t)
	for _, line := range oneShots {
		args := splitCase(line)
		java, zooid := p.both(t, nil, args, "")
		if reason, ok := differs[line]; ok {
			checkDifference(t, line, reason, java, zooid)
			continue
		}
		compare(t, line, java, zooid)
	}
}

// splitCase cuts a case at blanks; "”" is an empty argument and "_" within
// quotes a blank.
func splitCase(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		if strings.HasPrefix(w, "'") && strings.HasSuffix(w, "'") {
			words[i] = strings.ReplaceAll(w[1:len(w)-1], "_", " ")
		}
	}
	return words
}

// TestScripts pipes lines into one shell.
func TestScripts(t *testing.T) {
	harness.Ring(t)
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			p := startPair(t)
			java, zooid := p.both(t, s.options, nil, strings.TrimLeft(s.lines, "\n"))
			compare(t, s.name, java, zooid)
			if t.Failed() {
				t.Logf("java:\n%s\nzooid:\n%s", java.raw, zooid.raw)
			}
		})
	}
}
