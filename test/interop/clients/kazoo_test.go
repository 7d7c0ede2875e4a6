package clients

import (
	"os/exec"
	"testing"

	"zooid/test/interop/harness"
)

// TestKazoo runs the cases of test/interop/python/kazoo_suite.py.
func TestKazoo(t *testing.T) {
	harness.Ring(t)
	python := harness.Python(t)
	cases(t, func(args ...string) *exec.Cmd {
		return exec.Command(python, append([]string{harness.Source("python", "kazoo_suite.py")}, args...)...)
	}, options())
}
