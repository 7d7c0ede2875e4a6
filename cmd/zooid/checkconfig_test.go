package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCheck writes a zoo.cfg, in which DIR stands for a directory of the test,
// and runs check-config on it.
func runCheck(t *testing.T, text string, args ...string) (output string, code int) {
	t.Helper()
	t.Setenv("JVMFLAGS", "")
	t.Setenv("SERVER_JVMFLAGS", "")
	dir := t.TempDir()
	for _, sub := range []string{"data", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "file"), "")
	writeFile(t, filepath.Join(dir, "data", "myid"), "1\n")
	writeFile(t, filepath.Join(dir, "dynamic"), "server.1=a:2888:3888;2181\n")
	name := filepath.Join(dir, "zoo.cfg")
	writeFile(t, name, strings.ReplaceAll(text, "DIR", dir))
	output, code = runCheckFile(t, append(args, name)...)
	return strings.ReplaceAll(output, dir, "DIR"), code
}

func runCheckFile(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := newCheckConfigCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	if err := cmd.Execute(); err != nil {
		fmt.Fprint(&out, err.Error())
		code = exitCode(err)
	}
	return out.String(), code
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckConfig(t *testing.T) {
	const basics = "dataDir=DIR/data\nclientPort=0\n"
	for _, test := range []struct {
		name, text string
		args       []string
		code       int
		want       []string // parts of the output
		never      string
	}{
		{name: "fine", text: basics, want: []string{"a standalone server", "any free port on all addresses", "1, from myid", "A server would start"}, never: "Refused"},
		{name: "strict", text: basics, args: []string{"--strict"}, code: 1, want: []string{"DIR/zoo.cfg: autopurge.purgeInterval: old snapshots", "write autopurge.purgeInterval=1"}},
		{name: "summary", text: "dataDir=DIR/data\ndataLogDir=DIR/log\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=1000\n" +
			"autopurge.purgeInterval=90m\nautopurge.snapRetainCount=5\nsnapCount=9000\nsnapSizeLimitInKb=3072\nsnapshot.compression.method=gz\n" +
			"maxCnxns=9\nmaxClientCnxns=0\n4lw.commands.whitelist=ruok,mntr\nskipACL=yes\nforceSync=no\nenforce.auth.enabled=true\nenforce.auth.schemes=digest\n" +
			"DigestAuthenticationProvider.superDigest=super:x\n",
			want: []string{"any free port on 127.0.0.1", "2000 to 20000 ms, counted in ticks of 1000 ms", "every 1.5 h, keeping 5 snapshots",
				"after 4500 to 9000 transactions or 1.5 MiB to 3 MiB of log, compressed with gz", "any number from one address, up to 9 in all",
				"mntr ruok srvr", "no ACL is checked; schemes ip, digest; one of digest is required; with a super user", "acknowledged before they are on the disk",
				"superDigest: everyone on this machine may read the file", "DIR/log is on the same disk as DIR/data"}},
		{name: "refused", text: "dataDir=DIR/data\nclientPort=port\n", code: 2,
			want:  []string{"Refused\n  - DIR/zoo.cfg:2: clientPort=port: not a whole number; allowed is a port from 0 to 65535", "would refuse to start: 1 thing to mend"},
			never: "no client can connect\n      write"},
		{name: "unknown key", text: basics + "tickTme=5\n", want: []string{"zoo.cfg:3: tickTme: unknown key", "did you mean tickTime?"}},
		{name: "note", text: basics + "nio.numWorkerThreads=5\n", want: []string{"Notes\n", "zoo.cfg:3: nio.numWorkerThreads: has no effect"}},
		{name: "define", text: basics, args: []string{"-Dzookeeper.snapCount=5"}, want: []string{"-Dzookeeper.snapCount: a snapshot of the whole tree every 5 transactions"}},
		{name: "dynamic", text: "dataDir=DIR/data\ndynamicConfigFile=DIR/dynamic\n", args: []string{"--file-only"}, want: []string{"port 2181 on all addresses", "A server would start"}},
		{name: "no dynamic file", text: basics + "dynamicConfigFile=DIR/nothing\n", code: 2, want: []string{"cannot read dynamicConfigFile: open DIR/nothing"}},
		{name: "not a directory", text: "dataDir=DIR/file\nclientPort=0\n", code: 2, want: []string{"DIR/file"}},
		{name: "missing directory", text: "dataDir=DIR/new/data\nclientPort=0\n", want: []string{"none: there is no myid", "dataDir: DIR/new/data is missing; the server makes it"}},
		{name: "no autocreate", text: basics + "datadir.autocreate=false\n", code: 2, want: []string{"version-2 is missing, and datadir.autocreate=false"}},
		{name: "no such address", text: basics + "clientPortAddress=192.0.2.1\n", code: 2, want: []string{"192.0.2.1 is not an address of this machine"}},
		{name: "file only", text: "dataDir=DIR/file\nclientPort=0\nclientPortAddress=192.0.2.1\n", args: []string{"--file-only"}, code: 2, never: "address of this machine"},
		{name: "secured ensemble", text: basics + "initLimit=10\nsyncLimit=5\nserver.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n" +
			"sslQuorum=true\nssl.quorum.keyStore.location=DIR/none.jks\nssl.quorum.trustStore.location=DIR/none.jks\nquorum.auth.enableSasl=true\n",
			args: []string{"-Djava.security.auth.login.config=/none.conf"}, code: 2,
			want: []string{"members            TLS; SASL is accepted, and not required of others", "sslQuorum: ssl.quorum.keyStore.location: open DIR/none.jks",
				"-Djava.security.auth.login.config=/none.conf: cannot read the JAAS file"}},
		{name: "TLS", text: "dataDir=DIR/data\nsecureClientPort=0\nssl.keyStore.location=DIR/key.jks\nssl.trustStore.location=DIR/trust.jks\n", code: 2,
			want: []string{"TLS alone, any free port on all addresses", "schemes ip, digest, x509", "zoo.cfg:2: secureClientPort: ssl.keyStore.location: open DIR/key.jks"}},
		{name: "TLS beside", text: basics + "secureClientPort=2281\nsecureClientPortAddress=192.0.2.1\nssl.keyStore.location=DIR/key.jks\nssl.clientAuth=none\n",
			args: []string{"--file-only"}, want: []string{"any free port on all addresses; TLS port 2281 on 192.0.2.1"}},
		{name: "ensemble", text: basics + "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888:observer\n", code: 2,
			want: []string{"a member of an ensemble, 2 voting servers and 1 observers", "initLimit: not set", "syncLimit: not set", "no server may fail"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, code := runCheck(t, test.text, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, part := range test.want {
				if !strings.Contains(output, part) {
					t.Errorf("the output lacks %q", part)
				}
			}
			if test.never != "" && strings.Contains(output, test.never) {
				t.Errorf("the output has %q", test.never)
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

func TestCheckConfigPortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	output, code := runCheck(t, "dataDir=DIR/data\nclientPort="+port+"\nclientPortAddress=127.0.0.1\n")
	if want := "clientPort: something listens on 127.0.0.1:" + port + " already"; code != 0 || !strings.Contains(output, want) {
		t.Errorf("exit code %d, and no %q in:\n%s", code, want, output)
	}
}

func TestCheckConfigJSON(t *testing.T) {
	output, code := runCheck(t, "dataDir=DIR/data\nclientPort=0\nbogus=1\nssl.keyStore.password=sesame\n", "--json")
	var check configCheck
	if err := json.Unmarshal([]byte(output), &check); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	if code != 0 || !check.Starts || check.Mode != "standalone" || check.Server.ServerID != 1 || len(check.Refusals) != 0 || len(check.Risks) == 0 {
		t.Errorf("exit code %d: %+v", code, check)
	}
	if first := check.Risks[0]; first.Line != 3 || first.Key != "bogus" {
		t.Errorf("the first risk is %+v", first)
	}
	if strings.Contains(output, "sesame") {
		t.Error("the output holds a password")
	}
}

func TestCheckConfigUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"--bogus", "a"}, {filepath.Join(t.TempDir(), "none.cfg")}} {
		if output, code := runCheckFile(t, args...); code != 2 || output == "" {
			t.Errorf("%q: exit code %d, output %q", args, code, output)
		}
	}
}

func TestCheckConfigBadMyID(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "myid"), "first\n")
	name := filepath.Join(dir, "zoo.cfg")
	writeFile(t, name, "dataDir="+dir+"\nclientPort=0\n")
	output, code := runCheckFile(t, name)
	if want := `/myid:1: "first" is not a whole number`; code != 2 || !strings.Contains(output, want) {
		t.Errorf("exit code %d, and no %q in:\n%s", code, want, output)
	}
}

// TestCheckConfigUnwritable needs a user who is not allowed everything.
func TestCheckConfigUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere; the check is made by other users only")
		return
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o555); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "zoo.cfg")
	writeFile(t, name, "dataDir="+data+"\nclientPort=0\n")
	output, code := runCheckFile(t, name)
	if code != 2 || !strings.Contains(output, "may not write in "+data) {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}
