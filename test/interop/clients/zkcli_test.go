package clients

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// shellCommands are one-shot commands of Apache's zkCli, in the order in which
// they are run, with the exit code and a part of what it must print (on either
// stream).
var shellCommands = []struct {
	command string
	code    int
	want    string
}{
	{"create /s hello", 0, "Created /s"},
	{"create /s again", 1, "Node already exists: /s"},
	{"get -s /s", 0, "hello\ncZxid = 0x"},
	{"set -v 7 /s x", 1, "version No is not valid : /s"},
	{"create -s -e /s/n- x", 0, "Created /s/n-0000000000"},
	{"create -c /s/box", 0, "Created /s/box"},
	{"create -t 600000 /s/ttl x", 0, "Created /s/ttl"},
	{"ls -R /s", 0, "/s\n/s/box\n/s/n-0000000000\n/s/ttl"},
	{"getAllChildrenNumber /s", 0, "\n3\n"},
	{"delete /s", 1, "Node not empty: /s"},
	{"getAcl /s", 0, "'world,'anyone\n: cdrwa"},
	{"setquota -n 5 /s", 0, ""},
	{"listquota /s", 0, "Output quota for /s count=5,bytes=-1"},
	{"delquota /s", 0, ""},
	{"setAcl -R /s world:anyone:r", 0, ""},
	{"set /s y", 1, "Insufficient permission : /s"},
	{"get /nowhere", 1, "Node does not exist: /nowhere"},
	{"sync /", 0, "Sync is OK"},
	{"whoami", 0, "ip: 127.0.0.1"},
	{"reconfig -add server.2=127.0.0.1:1:2;3", 1, ""},
	{"deleteall /s", 0, "Failed to delete some node(s) in the subtree!"},
	{"nosuchcommand", 127, "Command not found"},
}

// TestZkCli runs Apache's shell, command by command, against the server.
func TestZkCli(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, options())
	for _, c := range shellCommands {
		args := append([]string{"-server", s.Addr()}, strings.Fields(c.command)...)
		out, err := harness.JavaCommand(t, []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"},
			"org.apache.zookeeper.ZooKeeperMain", args...).CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: exit %d, want %d with %q\n%s", c.command, code, c.code, c.want, out)
		}
	}
}
