package apache

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zooid/test/interop/harness"
)

// patience is how long a share of the tests may take.
const patience = 4 * time.Minute

func TestAlone(t *testing.T) { run(t, 1, alone) }

func TestEnsembles(t *testing.T) { run(t, 1+shares, ensembles) }

// shares is the number of Java processes of a test: theirs is mostly waiting.
const shares = 3

// run runs classes in Java processes, whose servers take their ports from a
// share of the ports of their own each; first is the number of the first one.
func run(t *testing.T, first int, classes []class) {
	harness.Ring(t)
	if harness.UnderTest() == harness.Java {
		t.Skip("Apache's server lives in the tests' process and remembers: it wants one for each class")
	}
	t.Parallel()
	parts := make([][]class, shares)
	for i, c := range classes {
		parts[i%shares] = append(parts[i%shares], c)
	}
	outs, logs := make([]string, shares), make([]string, shares)
	var done sync.WaitGroup
	for i, part := range parts {
		dir := t.TempDir()
		logs[i] = filepath.Join(dir, "servers.log")
		line := commandLine(t, dir, logs[i], strconv.Itoa(first+i), part, "-Dzookeeper.sasl.client=false")
		done.Go(func() { outs[i] = java(t, line) })
	}
	done.Wait()
	for i, part := range parts {
		report(t, part, outs[i], logs[i])
	}
}

func commandLine(t *testing.T, dir, log, share string, classes []class, properties ...string) []string {
	t.Helper()
	line := []string{
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
		"-Djava.io.tmpdir=" + dir, "-Dbuild.test.dir=" + dir, "-Dtest.junit.threads=8", "-Dzookeeper.junit.threadid=" + share,
		"-Dzookeeper.admin.enableServer=false", "-Dzooid.log=" + log,
		"-Dzookeeper.serverCnxnFactory=zooid.ZooidFactory", "-Dzooid.binary=" + harness.ZooidBinary(t),
	}
	line = append(append(line, properties...), "-cp", harness.ApacheTests(t), "zooid.RunTests")
	for _, c := range classes {
		line = append(line, "org.apache.zookeeper."+c.name)
		for method := range c.out {
			line = append(line, "org.apache.zookeeper."+c.name+"#"+method)
		}
	}
	return line
}

// java returns what the process prints. The servers are in its process group:
// none outlives the test.
func java(t *testing.T, line []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", line...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if killed := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killed != nil && !errors.Is(killed, syscall.ESRCH) {
		t.Error(killed)
	}
	if err != nil {
		t.Errorf("java: %v", err)
	}
	return string(out)
}

// report judges what RunTests has printed: one line a test, and behind a failed
// one what went wrong.
func report(t *testing.T, classes []class, out, log string) {
	t.Helper()
	passed := map[string]int{}
	for _, part := range strings.Split("\n"+out, "\n@")[1:] {
		first, rest, _ := strings.Cut(part, "\n")
		field := strings.Split(first, "\t")
		name, _, _ := strings.Cut(strings.TrimPrefix(field[1], "org.apache.zookeeper."), "#")
		if field[0] == "ok" {
			passed[name]++
			continue
		}
		t.Errorf("%s %s\n%s", field[1], field[2], head(rest, 15))
	}
	total := 0
	for _, c := range classes {
		total += passed[c.name]
		if passed[c.name] == 0 {
			t.Errorf("no test of %s has passed", c.name)
		}
	}
	t.Logf("%d tests of %d classes have passed", total, len(classes))
	if !t.Failed() {
		return
	}
	kept := harness.LogFile(t, filepath.Base(filepath.Dir(log))+".log")
	text, err := os.ReadFile(log)
	if err == nil {
		err = os.WriteFile(kept, text, 0o644)
	}
	t.Logf("the servers' log is kept in %s (%v); Java's last words:\n%s", kept, err, out[max(0, len(out)-2000):])
}

func head(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
