package clients

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
)

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

// converse runs one case: it does with the server what the program asks for,
// and fails when the program does.
func converse(t *testing.T, s *harness.Server, cmd *exec.Cmd) {
	t.Helper()
	harness.Converse(t, cmd, func(order string) error { return obey(s, order) })
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
