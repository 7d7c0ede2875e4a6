package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"zooid/test/certs"
	"zooid/test/interop/harness"
)

// kazooFiles are the files of kazoo's own test suite that are run. The others
// test no server, or repeat these with another kind of threads.
var kazooFiles = []string{
	"test_barrier.py", "test_cache.py", "test_client.py", "test_connection.py", "test_counter.py", "test_election.py",
	"test_lease.py", "test_party.py", "test_queue.py", "test_sasl.py", "test_watchers.py",
}

// kazooSkipped are the tests in them that are not run, with the reason.
var kazooSkipped = []struct{ test, reason string }{
	{"test_client.py::TestClient::test_update_host_list", "its harness starts an ensemble; test/interop/ensemble has cases of that"},
	{"test_client.py::TestReconfig", "its harness starts an ensemble; test/interop/ensemble has cases of that"},
	{"test_client.py::TestClient::test_request_queuing_session", "stop the server; kazoo_suite.py has cases of that"},
	{"test_sasl.py::TestSASLGSSAPIAuthentication", "wants Kerberos"},
	{"test_connection.py::TestReadOnlyMode", "its harness starts an ensemble; test/interop/ensemble has cases of that"},
}

// kazooJAAS has the users of its tests. Its harness starts every server with the
// SASL provider and a JAAS file, which may be empty.
const kazooJAAS = `
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="super_secret"
    user_jaasuser="jaas_password";
};`

var kazooTest = regexp.MustCompile(`(?m)^\S+::(\S+) (PASSED|FAILED|ERROR)`)

// TestKazooOwn runs kazoo's own test suite, as far as it is about one server.
func TestKazooOwn(t *testing.T) {
	harness.Ring(t)
	python := harness.KazooTests(t)
	dir, port, opt := t.TempDir(), harness.FreePort(t), options()
	in := func(name string) string { return filepath.Join(dir, name) }
	ca := certs.Authority(t, "ca")
	ca.Issue(t, "server").Keys(t, in("key.jks"))
	ca.Issue(t, "client").Keys(t, in("client.pem"))
	certs.Trust(t, in("trust.jks"), ca)
	certs.Trust(t, in("ca.pem"), ca)
	opt.Lines = append(opt.Lines, fmt.Sprintf("secureClientPort=%d", port), "secureClientPortAddress=127.0.0.1",
		"ssl.keyStore.location="+in("key.jks"), "ssl.keyStore.password="+certs.Password,
		"ssl.trustStore.location="+in("trust.jks"), "ssl.trustStore.password="+certs.Password)
	opt.Properties = append(opt.Properties, "zookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory")
	jaas := in("jaas.conf")
	if err := os.WriteFile(jaas, []byte(kazooJAAS), 0o600); err != nil {
		t.Fatal(err)
	}
	opt.Lines = append(opt.Lines, "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider")
	opt.Properties = append(opt.Properties, "java.security.auth.login.config="+jaas)
	s := harness.Start(t, opt)
	found, err := exec.Command(python, "-c", "import kazoo, os; print(os.path.dirname(kazoo.__file__), end='')").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-m", "pytest", "-v", "--color=no", "--show-capture=no", "-o", "log_cli=false", "-p", "no:cacheprovider",
		"-p", "kazoo_server", "--rootdir", string(found)}
	tests := filepath.Join(string(found), "tests")
	for _, skip := range kazooSkipped {
		t.Logf("not run: %s (%s)", skip.test, skip.reason)
		args = append(args, "--deselect", "tests/"+skip.test)
	}
	for _, name := range kazooFiles {
		args = append(args, filepath.Join(tests, name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "SUITE_SERVER="+s.Addr(), fmt.Sprintf("SUITE_SECURE_SERVER=localhost:%d", port),
		"SUITE_CLIENT_PEM="+in("client.pem"), "SUITE_CA_PEM="+in("ca.pem"), "ZOOKEEPER_VERSION=3.9.5", "PYTHONPATH="+harness.Source("python"))
	out, err := cmd.CombinedOutput()
	passed := 0
	for _, m := range kazooTest.FindAllStringSubmatch(string(out), -1) {
		if m[2] == "PASSED" {
			passed++
		} else {
			t.Errorf("%s %s", m[2], m[1])
		}
	}
	if t.Logf("%d tests passed", passed); err != nil || passed < 150 {
		t.Errorf("%d tests passed, %v; the end of the output:\n%s", passed, err, out[max(0, len(out)-6000):])
	}
}
