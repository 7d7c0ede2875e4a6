package sasl_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// shellJAAS has a section for each client of the talks.
const shellJAAS = `
Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="bobsecret"; };
Any { org.apache.zookeeper.server.auth.DigestLoginModule required username="any" password="anysecret"; };
Super { org.apache.zookeeper.server.auth.DigestLoginModule required username="super" password="adminsecret"; };
Wrong { org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="x"; };
Unknown { org.apache.zookeeper.server.auth.DigestLoginModule required username="nobody" password="x"; };
NoModule { no.such.Module required; };
`

// shellTalks are what is typed into shells that log in as the sections say.
var shellTalks = []struct{ name, section, typed string }{
	{"bob", "Client", "create /bob x sasl:bob:cdrwa\ncreate /any x sasl:any:r\nget /bob\ngetAcl /bob\nget /any\n"},
	{"any", "Any", "get /bob\nget /any\nset /any y\n"},
	{"super", "Super", "get /bob\nset /any z\n"},
	{"wrong password", "Wrong", "get /bob\n"},
	{"unknown user", "Unknown", "get /bob\n"},
	{"no section", "Other", "get /bob\nls /\n"},
	{"no module", "NoModule", "ls /\n"},
	{"off", "off", "get /bob\nls /\n"},
}

// TestShells has both shells, and with them both clients, log in to both
// servers, and compares what is printed.
func TestShells(t *testing.T) {
	harness.Gate(t)
	file := filepath.Join(t.TempDir(), "client.conf")
	if err := os.WriteFile(file, []byte(shellJAAS), 0o600); err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	for _, server := range []harness.Kind{harness.Java, harness.Zooid} {
		for _, client := range []harness.Kind{harness.Java, harness.Zooid} {
			// A server of its own, so that the znodes are the same.
			s := start(t, server, []string{provider}, nil)
			got := map[string]string{}
			for _, x := range shellTalks {
				got[x.name] = typed(t, client, s.Addr(), file, x.section, x.typed)
			}
			if want == nil {
				want = got // Apache's shell at Apache's server
			}
			for _, x := range shellTalks {
				if got[x.name] != want[x.name] {
					t.Errorf("%s: the %s shell at the %s server prints\n%s\nwant\n%s", x.name, client, server, got[x.name], want[x.name])
				}
			}
		}
	}
	for name, part := range map[string]string{
		"bob": "state:SaslAuthenticated", "any": "Insufficient permission : /bob", "super": "x", "wrong password": "state:AuthFailed",
		"no section": "state:AuthFailed",
	} {
		if !strings.Contains(want[name], part) {
			t.Errorf("%s: Apache's shell does not print %q:\n%s", name, part, want[name])
		}
	}
}

// typed runs a shell and returns what it prints on standard output: first what
// happens to the session, up to its end, which not both shells tell, then the
// answers.
func typed(t *testing.T, client harness.Kind, addr, file, section, lines string) string {
	t.Helper()
	properties := []string{"-Djava.security.auth.login.config=" + file, "-Dzookeeper.sasl.clientconfig=" + section}
	if section == "off" {
		properties = append(properties[:1], "-Dzookeeper.sasl.client=false")
	}
	args := []string{"-waitforconnection", "-server", addr}
	var cmd *exec.Cmd
	if client == harness.Java {
		cmd = harness.JavaCommand(t, append(properties, "-Dzookeeper.fips-mode=false"), "org.apache.zookeeper.ZooKeeperMain", args...)
	} else {
		cmd = exec.Command(harness.ZooidBinary(t), append(append([]string{"cli"}, properties...), args...)...)
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(lines+"quit\n"), &out, &errs
	err := cmd.Run()
	var events, answers []string
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line == "WATCHER::" || strings.HasPrefix(line, "Connecting to") || strings.HasPrefix(line, "Welcome") ||
			strings.HasPrefix(line, "JLine") || strings.Contains(line, "state:Closed"):
		case strings.HasPrefix(line, "WatchedEvent"):
			events = append(events, line)
		default:
			answers = append(answers, line)
		}
	}
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "Insufficient permission") {
			answers = append(answers, strings.TrimSpace(line))
		}
	}
	return fmt.Sprintf("%s\n%s\n%v\n", strings.Join(events, "\n"), strings.Join(answers, "\n"), err)
}
