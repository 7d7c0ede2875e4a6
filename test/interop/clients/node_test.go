package clients

import (
	"os"
	"os/exec"
	"testing"

	"zooid/test/interop/harness"
)

// TestNode runs the cases of test/interop/node/node_suite.js.
func TestNode(t *testing.T) {
	harness.Ring(t)
	modules := harness.NodeModules(t)
	cases(t, func(args ...string) *exec.Cmd {
		cmd := exec.Command("node", append([]string{harness.Source("node", "node_suite.js")}, args...)...)
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		return cmd
	}, options())
}
