package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckConfigJAAS(t *testing.T) {
	const (
		basics = "dataDir=DIR/data\nclientPort=0\n"
		sasl   = basics + "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
		module = "org.apache.zookeeper.server.auth.DigestLoginModule required "
	)
	for _, x := range []struct {
		name, text, jaas string
		mode             os.FileMode
		code             int
		want, never      string
	}{
		{"good", sasl, "Server {" + module + "user_bob=b; };", 0o600, 0, "schemes ip, digest, sasl; no super user", "may read the file, and"},
		{"super user", sasl + "superUser.2=bob\n", "Server {" + module + "user_bob=b; };", 0o600, 0, "with a super user", ""},
		{"everyone reads it", sasl, "Server {" + module + "user_bob=b; };", 0o644, 0, "run: chmod o-r ", ""},
		{"wrong", basics, "Server {\n" + module + "user_bob=1234; };", 0o600, 2, "line 2: expected the value of option 'user_bob'", ""},
		{"no section", sasl, "Client { };", 0o600, 0, "has no section Server, so no client can authenticate", ""},
		{"Kerberos", sasl, "Server { com.sun.security.auth.module.Krb5LoginModule required; };", 0o600, 2, "which is not in this release: use org.apache", ""},
		{"required", basics + "sessionRequireClientSASLAuth=true\n", "Server {" + module + "user_bob=b; };", 0o600, 2, "write authProvider.1=", ""},
		{"Kerberos configuration", basics + "requireKerberosConfig=true\n", "", 0o600, 2, "requireKerberosConfig=true: Kerberos is not in this release", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "jaas.conf")
			if err := os.WriteFile(file, []byte(x.jaas), x.mode); err != nil {
				t.Fatal(err)
			}
			output, code := runCheck(t, x.text, "-Djava.security.auth.login.config="+file)
			if code != x.code || !strings.Contains(output, x.want) || x.never != "" && strings.Contains(output, x.never) {
				t.Errorf("exit code %d, want %d and %q in:\n%s", code, x.code, x.want, output)
			}
		})
	}
	output, code := runCheck(t, basics, "-Djava.security.auth.login.config=/nosuch/jaas.conf")
	if code != 2 || !strings.Contains(output, "cannot read the JAAS file: open /nosuch/jaas.conf: no such file") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if output, code := runCheck(t, basics, "--file-only", "-Djava.security.auth.login.config=/nosuch/jaas.conf"); code != 0 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}
