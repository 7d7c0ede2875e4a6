package clients

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
)

// caseTime is how long one case of a foreign suite may take.
const caseTime = 120 * time.Second

// program is a foreign suite: command makes its command line.
type program func(args ...string) *exec.Cmd

// cases runs every case of a suite, two at a time, each with its own server.
func cases(t *testing.T, p program, opt harness.Options) {
	t.Helper()
	harness.Ring(t)
	out, err := p("--list").Output()
	if err != nil {
		t.Fatalf("%v: %v", p("--list").Args, err)
	}
	for _, name := range strings.Fields(string(out)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, opt)
			converse(t, s, p(s.Addr(), name))
		})
	}
}

// options are what the suites need of their servers: a super user, TTL nodes,
// and a container sweep that comes round while one waits.
func options() harness.Options {
	return harness.Options{
		Lines:      []string{"maxClientCnxns=0"},
		Properties: []string{script.SuperDigest, "zookeeper.extendedTypesEnabled=true", "znode.container.checkIntervalMs=300"},
	}
}

// converse runs one case: it does what the program asks for by "@" lines and
// fails when the program does.
func converse(t *testing.T, s *harness.Server, cmd *exec.Cmd) {
	t.Helper()
	var errors bytes.Buffer
	cmd.Stderr = &errors
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(caseTime, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		order, ok := strings.CutPrefix(lines.Text(), "@")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		if err := obey(s, order); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(in, "done\n"); err != nil {
			t.Errorf("after @%s: %v", order, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, strings.TrimSpace(errors.String()))
	}
}

func obey(s *harness.Server, order string) error {
	switch order {
	case "kill":
		s.Kill()
	case "stop":
		s.Stop()
	case "start":
		s.Restart()
	case "restart":
		s.Kill()
		s.Restart()
	default:
		return fmt.Errorf("the program asks for %q", order)
	}
	return nil
}
