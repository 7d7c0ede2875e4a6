package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"zooid/test/interop/harness"
)

// kazooJava takes the place of java for kazoo's harness, which starts its servers
// by it: -cp with a class path, -D with properties, a class, a zoo.cfg.
const kazooJava = `#!/bin/bash
for word in "$@"; do
	case $word in
	-D* | *.cfg) words+=("$word") ;;
	esac
done
exec "$ZOOID_BIN" server "${words[@]}"
`

var kazooTest = regexp.MustCompile(`(?m)^\S+::(\S+) (PASSED|FAILED|ERROR)`)

// TestKazooOwn runs kazoo's own test suite, whole, with its own harness, which
// starts an ensemble of three with a port for TLS, stores made by Python, a JAAS
// file and the SASL provider, and stops and starts its members. The suite itself
// passes over Kerberos without a KDC, and over what it has no libraries for.
func TestKazooOwn(t *testing.T) {
	harness.Ring(t)
	python := harness.KazooTests(t)
	env := append(os.Environ(), "ZOOKEEPER_VERSION=3.9.5", fmt.Sprintf("ZOOKEEPER_PORT_OFFSET=%d", harness.FreePort(t)))
	if harness.UnderTest() == harness.Java {
		env = append(env, "ZOOKEEPER_CLASSPATH="+harness.Jars(t))
	} else {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "java"), []byte(kazooJava), 0o755); err != nil {
			t.Fatal(err)
		}
		env = append(env, "ZOOKEEPER_CLASSPATH=none", "ZOOID_BIN="+harness.ZooidBinary(t), "PATH="+bin+":"+os.Getenv("PATH"))
	}
	found, err := exec.Command(python, "-c", "import kazoo, os; print(os.path.dirname(kazoo.__file__), end='')").Output()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-m", "pytest", "-v", "--color=no", "--show-capture=no", "-o", "log_cli=false", "-W", "ignore",
		"-p", "no:cacheprovider", "--rootdir", string(found), filepath.Join(string(found), "tests"))
	cmd.Dir = t.TempDir()
	cmd.Env = env
	// The servers are to end with the suite, however it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	passed := 0
	for _, m := range kazooTest.FindAllStringSubmatch(string(out), -1) {
		if m[2] == "PASSED" {
			passed++
		} else {
			t.Errorf("%s %s", m[2], m[1])
		}
	}
	if t.Logf("%d tests passed", passed); err != nil || passed < 300 {
		t.Errorf("%d tests passed, %v; the end of the output:\n%s", passed, err, out[max(0, len(out)-6000):])
	}
}
