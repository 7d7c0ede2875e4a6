package clients

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// TestC runs the cases of test/interop/c/c_suite.c.
func TestC(t *testing.T) {
	harness.Ring(t)
	binary := harness.CProgram(t, "c_suite")
	cases(t, func(args ...string) *exec.Cmd { return exec.Command(binary, args...) }, options())
}

// TestCLIMT has Debian's cli_mt, the C client's own command line, go through a
// round of commands.
func TestCLIMT(t *testing.T) {
	harness.Ring(t)
	cli := filepath.Join(harness.CClient(t), "cli_mt")
	s := harness.Start(t, options())
	for _, c := range []struct{ command, want string }{
		{"create /cli", "name = /cli"},
		{"set /cli hello", "rc = 0"},
		{"get /cli", "value_len = 5"},
		{"create +s /cli/n-", "name = /cli/n-0000000000"},
		{"create +e /cli/e", "name = /cli/e"},
		{"ls /", "cli"},
		{"sync /cli", "rc = 0"},
		{"delete /cli", "rc = -111"},
		{"delete /cli/n-0000000000", "rc = 0"},
		{"get /nowhere", "rc = -101"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), harness.CaseTime)
		out, err := exec.CommandContext(ctx, cli, "-h", s.Addr(), "-c", c.command).CombinedOutput()
		cancel()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: want %q, %v\n%s", c.command, c.want, err, out)
		}
	}
}
