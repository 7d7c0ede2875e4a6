package sasl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// starts are JAAS files and what a server does with each of them: serve, or
// end with an exit code.
var starts = []struct {
	name, text string
	flags      []string // DIR stands for the folder of the file
	lines      []string
	exit       int    // 0: it serves
	says       string // what ours says if it does not serve
}{
	{name: "good", text: jaasText},
	{name: "URL", text: jaasText, flags: []string{"java.security.auth.login.config=file:DIR/jaas.conf"}},
	{name: "equals sign", text: jaasText, flags: []string{"java.security.auth.login.config==DIR/jaas.conf"}},
	{name: "missing", flags: []string{"java.security.auth.login.config=DIR/nosuch.conf"}, exit: 1, says: "no such file"},
	{name: "no value", flags: []string{"java.security.auth.login.config="}, exit: 1, says: "the property is empty"},
	{name: "wrong", text: "Server {\n x", exit: 1, says: "line 2"},
	{name: "empty file", text: ""},
	{name: "empty section", text: "Server { };"},
	{name: "client's section only", text: "Client { org.apache.zookeeper.server.auth.DigestLoginModule required username=a password=b; };"},
	{name: "no users", text: "Server { org.apache.zookeeper.server.auth.DigestLoginModule required; };"},
	{name: "no such section", text: jaasText, flags: []string{"zookeeper.sasl.serverconfig=Other"}},
	{name: "no such module", text: "Server { no.such.Module required; };", exit: 1, says: "no.such.Module"},
	{
		name: "Kerberos", text: `Server { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="/nosuch" principal="zookeeper/h@R"; };`,
		exit: 1, says: "Kerberos",
	},
	{name: "required without provider", text: jaasText, lines: []string{"sessionRequireClientSASLAuth=true"}, exit: 2, says: "authProvider.1="},
	{
		name: "enforced without provider", text: jaasText, lines: []string{"enforce.auth.enabled=true", "enforce.auth.schemes=sasl"},
		exit: 2, says: "authProvider.1=",
	},
	{name: "key of the file", flags: []string{"x=y"}, lines: []string{"java.security.auth.login.config=/nosuch", provider}},
}

// TestStart holds what both servers do when they start to the table.
func TestStart(t *testing.T) {
	harness.Gate(t)
	for _, x := range starts {
		for _, kind := range []harness.Kind{harness.Java, harness.Zooid} {
			t.Run(x.name+"/"+string(kind), func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "jaas.conf"), []byte(x.text), 0o600); err != nil {
					t.Fatal(err)
				}
				flags := []string{"java.security.auth.login.config=" + filepath.Join(dir, "jaas.conf")}
				switch {
				case x.name == "key of the file":
					flags = x.flags
				case x.flags != nil:
					flags = append(flags, x.flags...)
				}
				for i := range flags {
					flags[i] = strings.ReplaceAll(flags[i], "DIR", dir)
				}
				s := harness.Prepare(t, harness.Options{Kind: kind, Dir: dir, Lines: x.lines, Properties: flags})
				if x.exit == 0 {
					s.Restart()
					return
				}
				s.Launch()
				if code := s.ExitCode(); code != x.exit {
					t.Errorf("exit code %d, want %d", code, x.exit)
				}
				if kind == harness.Zooid && !strings.Contains(s.Output(), x.says) {
					t.Errorf("%q is not in:\n%s", x.says, s.Output())
				}
			})
		}
	}
}
