package clients

import (
	"os/exec"
	"testing"

	"zooid/test/interop/harness"
)

// TestJavaClient runs the cases of test/interop/java/src/ClientSuite.java.
func TestJavaClient(t *testing.T) {
	cases(t, javaSuite(t, "ClientSuite"), options())
}

func javaSuite(t *testing.T, class string) program {
	t.Helper()
	harness.Ring(t)
	return func(args ...string) *exec.Cmd {
		return harness.JavaCommand(t, []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"}, class, args...)
	}
}

// TestCurator runs the cases of test/interop/java/src/CuratorSuite.java.
func TestCurator(t *testing.T) {
	cases(t, javaSuite(t, "CuratorSuite"), options())
}
