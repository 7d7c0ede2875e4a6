package scripts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// found is what status prints once it knows where to ask.
func (r *release) found(host string) string {
	return fmt.Sprintf("Client port found: %d. Client address: %s. Client SSL: false.\n", r.port, host)
}

const (
	started     = "Starting zookeeper ... STARTED\n"
	stopped     = "Stopping zookeeper ... STOPPED\n"
	failedStart = "Starting zookeeper ... FAILED TO START\n"
	notRunning  = "Error contacting service. It is probably not running.\n"
)

func TestStartStatusRestartStop(t *testing.T) {
	r := unpack(t)
	pidFile := filepath.Join(r.data, "zookeeper_server.pid")
	preamble := "ZooKeeper JMX enabled by default\nUsing config: " + r.path("bin") + "/../conf/zoo.cfg\n"

	if res := r.expect(0, started, "start"); res.stderr != preamble {
		t.Errorf("stderr of start: %q, want %q", res.stderr, preamble)
	}
	pid := r.pid(pidFile)
	if res := r.expect(0, r.found("127.0.0.1")+"Mode: standalone\n", "status"); res.stderr != preamble {
		t.Errorf("stderr of status: %q, want %q", res.stderr, preamble)
	}
	r.expect(1, fmt.Sprintf("Starting zookeeper ... already running as process %d.\n", pid), "start")
	r.expect(0, stopped+started, "restart")
	if again := r.pid(pidFile); again == pid {
		t.Errorf("restart left process %d", pid)
	}
	r.expect(0, r.found("127.0.0.1")+"Mode: standalone\n", "status")
	r.expect(0, stopped, "stop")
	if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
		t.Errorf("stop left the pid file: %v", err)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port)); err == nil {
		conn.Close()
		t.Error("stop came back while the port was still served")
	}
	r.expect(1, r.found("127.0.0.1")+notRunning, "status")
	r.expect(0, "Stopping zookeeper ... no zookeeper to stop (could not find file "+pidFile+")\n", "stop")
	r.expect(0, "Stopping zookeeper ... no zookeeper to stop (could not find file "+pidFile+")\n"+started, "restart")
	r.expect(0, stopped, "stop")

	out := r.path("logs/zookeeper-tester-server-host-1.out")
	contains(t, "output of the last run", r.read(out), "is serving")
	contains(t, "output of the run before", r.read(out+".1"), "is serving")
}

// TestHandoverAlone: there is nothing to hand over where nobody leads, and no
// signal goes to what is no server of ours.
func TestHandoverAlone(t *testing.T) {
	r := unpack(t)
	const begin = "Handing over the leadership ... "
	r.expect(1, begin+"FAILED TO HAND OVER\n", "handover")
	r.expect(0, started, "start")
	r.expect(0, begin+"nothing to hand over, Mode: standalone\n", "handover")
	r.expect(0, stopped, "stop")
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(stranger.Process.Pid)
	if err := os.WriteFile(filepath.Join(r.data, "zookeeper_server.pid"), []byte(pid), 0o644); err != nil {
		t.Fatal(err)
	}
	res := r.expect(1, begin+"FAILED TO HAND OVER\n", "handover")
	contains(t, "stderr", res.stderr, "process "+pid+", which is no zooid")
	if err := stranger.Process.Kill(); err != nil {
		t.Errorf("the stranger is gone: %v", err)
	}
	_ = stranger.Wait()
}

func TestForegroundIsTheServerItself(t *testing.T) {
	r := unpack(t)
	cmd, _ := r.foreground("start-foreground")
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
	if err != nil || filepath.Base(exe) != "zooid" {
		t.Errorf("the process of the script runs %q (%v), so a signal to it misses the server", exe, err)
	}
	r.expect(0, r.found("127.0.0.1")+"Mode: standalone\n", "status")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want exit code 0", err)
	}
}

func TestForegroundWithoutExec(t *testing.T) {
	r := unpack(t)
	cmd, _ := r.foreground("ZOO_NOEXEC=1", "start-foreground")
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Sscan(string(children), &child); err != nil {
		t.Fatalf("ZOO_NOEXEC: the script has no child: %v", err)
	}
	if err := syscall.Kill(child, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit code of the server was lost: %v", err)
	}
}

func TestUsage(t *testing.T) {
	r := unpack(t)
	for _, args := range [][]string{{}, {"bogus"}} {
		res := r.expect(0, "", args...)
		contains(t, "stderr", res.stderr, "Usage: "+r.path("bin/zkServer.sh")+
			" [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd|handover}\n")
	}
}

func TestVersion(t *testing.T) {
	r := unpack(t)
	res := r.run("zkServer.sh", "version")
	want := regexp.MustCompile(`^Apache ZooKeeper, version 3\.9\.5-[0-9a-f]{40} \d{4}-\d\d-\d\d \d\d:\d\d UTC\n$`)
	if res.code != 0 || !want.MatchString(res.stdout) {
		t.Errorf("version: exit code %d, %q", res.code, res.stdout)
	}
}

func TestJMXLines(t *testing.T) {
	r := unpack(t)
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, "ZooKeeper JMX enabled by default\n"},
		{[]string{"JMXDISABLE=false"}, "ZooKeeper JMX enabled by default\n"},
		{[]string{"JMXDISABLE=true"}, "JMX disabled by user request\n"},
		{[]string{"JMXPORT=9999", "JMXSSL=true"}, "ZooKeeper JMX enabled by default\n" +
			"ZooKeeper remote JMX Port set to 9999\nZooKeeper remote JMX authenticate set to false\n" +
			"ZooKeeper remote JMX ssl set to true\nZooKeeper remote JMX log4j set to true\n"},
		{[]string{"JMXPORT=9999", "JMXHOSTNAME=h"}, "ZooKeeper JMX enabled by default\n" +
			"ZooKeeper remote JMX Port set to 9999\nZooKeeper remote JMX authenticate set to false\n" +
			"ZooKeeper remote JMX ssl set to false\nZooKeeper remote JMX log4j set to true\n" +
			"ZooKeeper remote JMX Hostname set to h\n"},
	} {
		res := r.run("zkServer.sh", append(c.env, "version")...)
		if got, _, _ := strings.Cut(res.stderr, "Using config"); got != c.want {
			t.Errorf("%v: stderr %q, want %q", c.env, got, c.want)
		}
	}
}

func TestWhichConfig(t *testing.T) {
	r := unpack(t)
	other := r.write("other/my.cfg", "dataDir=/nowhere\n")
	dir := filepath.Dir(other)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"print-cmd"}, r.path("bin") + "/../conf/zoo.cfg"},
		{[]string{"print-cmd", "zoo_sample.cfg"}, r.path("bin") + "/../conf/zoo_sample.cfg"},
		{[]string{"print-cmd", other}, other},
		{[]string{"print-cmd", "other/my.cfg"}, "other/my.cfg"},
		{[]string{"--config", dir, "print-cmd"}, dir + "/zoo.cfg"},
		{[]string{"--config", dir, "print-cmd", "my.cfg"}, dir + "/my.cfg"},
		{[]string{"ZOOCFGDIR=" + dir, "print-cmd"}, dir + "/zoo.cfg"},
		{[]string{"ZOOCFGDIR=" + dir, "ZOOCFG=my.cfg", "print-cmd"}, dir + "/my.cfg"},
		{[]string{"ZOOCFG=" + other, "print-cmd"}, other},
	} {
		res := r.run("zkServer.sh", c.args...)
		contains(t, fmt.Sprint(c.args), res.stderr, "Using config: "+c.want+"\n")
		contains(t, fmt.Sprint(c.args), res.stdout, `"`+c.want+`"`)
	}
}

// TestConfigDirOfRestart: Apache's script forgets --config on the way from
// restart to start; ours must not.
func TestConfigDirOfRestart(t *testing.T) {
	r := unpack(t)
	if err := os.Rename(r.path("conf"), r.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	r.expect(0, started, "--config", r.path("elsewhere"), "start")
	r.expect(0, stopped+started, "--config", r.path("elsewhere"), "restart")
	r.expect(0, stopped, "--config", r.path("elsewhere"), "stop")
}

func TestFlagsOfTheJVM(t *testing.T) {
	r := unpack(t)
	r.write("conf/java.env", `SERVER_JVMFLAGS="-Xmx512m -XX:+UseG1GC -Dzookeeper.4lw.commands.whitelist=ruok"`+"\n")
	r.write("conf/zookeeper-env.sh", "ZOO_LOG_DIR='"+r.path("elsewhere")+"'\n")
	res := r.run("zkServer.sh", "JVMFLAGS=-Dzookeeper.snapCount=7 -verbose:gc", "print-cmd")
	contains(t, "print-cmd", res.stdout, `"-Dzookeeper.4lw.commands.whitelist=ruok" "-Dzookeeper.snapCount=7"`, `> "`+r.path("elsewhere"))
	if strings.Contains(res.stdout, "-X") || strings.Contains(res.stdout, "-verbose") {
		t.Errorf("a flag that only a JVM knows went through: %s", res.stdout)
	}
	r.expect(0, started, "start")
	if got := ask(t, r.port, "ruok"); got != "imok" {
		t.Errorf("ruok: %q: the property of java.env did not reach the server", got)
	}
	pid := r.pid(filepath.Join(r.data, "zookeeper_server.pid"))
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "environment of the server", string(environ), "GOMEMLIMIT=512MiB")
	r.expect(0, stopped, "stop")
	contains(t, "ZOO_LOG_DIR", r.read(r.path("elsewhere/zookeeper-tester-server-host-1.out")), "is serving")
}

func TestPidFileAndLogDir(t *testing.T) {
	r := unpack(t)
	env := []string{"ZOOPIDFILE=" + r.path("run/zk.pid"), "ZOO_LOG_DIR=" + r.path("var/log"), "ZOO_LOG_FORMAT=json", "ZOO_LOG_LEVEL=warn"}
	r.expect(0, started, append(env, "start")...)
	r.pid(r.path("run/zk.pid"))
	r.expect(0, stopped, append(env, "stop")...)
	if text := r.read(r.path("var/log/zookeeper-tester-server-host-1.out")); strings.Contains(text, "is serving") {
		t.Errorf("ZOO_LOG_LEVEL=warn, but the log has:\n%s", text)
	}
}

func TestLeftOverPidFile(t *testing.T) {
	r := unpack(t)
	pidFile := filepath.Join(r.data, "zookeeper_server.pid")

	// A process that is not a server has taken the number: not ours to stop.
	sleeper := exec.Command("sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	r.write("data/zookeeper_server.pid", fmt.Sprint(sleeper.Process.Pid))
	r.expect(0, stopped, "stop")
	if err := sleeper.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("stop killed a stranger: %v", err)
	}
	r.write("data/zookeeper_server.pid", fmt.Sprint(sleeper.Process.Pid))
	r.expect(0, started, "start")
	if err := syscall.Kill(r.pid(pidFile), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	// The number of a process that is gone.
	r.expect(0, stopped+started, "restart")
	r.expect(0, stopped, "stop")
}

func TestFailedStartSaysWhy(t *testing.T) {
	r := unpack(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	res := r.expect(1, failedStart, "start")
	contains(t, "stderr", res.stderr, "in use", fmt.Sprint(r.port))
	if _, err := os.Stat(filepath.Join(r.data, "zookeeper_server.pid")); err == nil {
		t.Error("a server that never ran left a pid file")
	}

	r.write("conf/bad.cfg", "dataDir="+r.data+"\ntickTime=often\n")
	res = r.expect(1, failedStart, "start", "bad.cfg")
	contains(t, "stderr", res.stderr, "bad.cfg", "tickTime", "often")

	res = r.expect(1, failedStart, "start", "missing.cfg")
	contains(t, "stderr", res.stderr, "missing.cfg does not exist")

	res = r.expect(1, failedStart, "ZOO_LOG_DIR=/proc/nowhere", "start")
	contains(t, "stderr", res.stderr, "set ZOO_LOG_DIR")

	res = r.run("zkServer.sh", "start-foreground", "bad.cfg")
	if res.code != 2 {
		t.Errorf("start-foreground with a bad config: exit code %d, want 2", res.code)
	}
}

func TestTwoServersOnOneDirectory(t *testing.T) {
	r := unpack(t)
	r.expect(0, started, "start")
	r.write("conf/second.cfg", fmt.Sprintf("dataDir=%s\nclientPort=%d\n", r.data, freePort(t)))
	res := r.expect(1, failedStart, "ZOOPIDFILE="+r.path("run/zk.pid"), "start", "second.cfg")
	contains(t, "stderr", res.stderr, r.data)
	r.expect(0, r.found("127.0.0.1")+"Mode: standalone\n", "status")
	r.expect(0, stopped, "stop")
}

func TestAutocreateDisabled(t *testing.T) {
	r := unpack(t)
	const off = "ZOO_DATADIR_AUTOCREATE_DISABLE=1"
	missing := "ZooKeeper data directory is missing at " + r.data + " fix the path or run initialize\n"
	for _, verb := range []string{"start", "start-foreground", "status"} {
		r.expect(1, missing, off, verb)
	}
	logs := r.path("txns")
	r.write("conf/zoo.cfg", r.read(r.path("conf/zoo.cfg"))+"dataLogDir="+logs+"\n")
	if err := os.MkdirAll(filepath.Join(r.data, "version-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.expect(1, "ZooKeeper txnlog directory is missing at "+logs+" fix the path or run initialize\n", off, "start")
	if err := os.MkdirAll(filepath.Join(logs, "version-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.own()
	r.expect(0, started, off, "start")
	r.expect(0, stopped, off, "stop")
}

func TestWhereStatusLooks(t *testing.T) {
	r := unpack(t)
	r.expect(0, started, "start")
	defer r.run("zkServer.sh", "stop")
	const (
		notStatic = "Client port not found in static config file. Looking in dynamic config file.\n"
		notServer = "Client port not found in the server configs\n"
		noMyid    = "myid could not be determined, will not able to locate clientPort in the server configs.\n"
		secure    = "Client port not found. Looking for secureClientPort in the static config.\n"
		nothing   = "Unable to find either secure or unsecure client port in any configs. Terminating.\n"
	)
	data := r.path("other")
	r.write("other/myid", "7\n")
	dynamic := r.write("conf/dynamic.cfg", fmt.Sprintf("server.7=127.0.0.1:1:2:participant;[::1]:%d\nserver.8=127.0.0.1:1:2;1\n", r.port))
	standalone := "Mode: standalone\n"
	for _, c := range []struct {
		name, text string
		code       int
		want       string
	}{
		{"default address", fmt.Sprintf("clientPort = %d\n", r.port), 0, r.found("localhost") + standalone},
		{"own server line, port alone", fmt.Sprintf("dataDir=%s\nserver.7=h:1:2;%d\nserver.8=h:1:2;1\n", data, r.port), 0, r.found("localhost") + standalone},
		{"own server line with host", fmt.Sprintf("dataDir=%s\nserver.7=h:1:2;127.0.0.1:%d\n", data, r.port), 0, r.found("127.0.0.1") + standalone},
		{"dynamic file", fmt.Sprintf("dataDir=%s\ndynamicConfigFile=%s\n", data, dynamic), 1, notStatic + r.found("::1") + notRunning},
		{"nothing at all", "dataDir=" + data + "\n", 1, notStatic + notServer + secure + nothing},
		{"no myid", "dataDir=/nowhere\n", 1, noMyid + secure + nothing},
	} {
		r.write("conf/status.cfg", c.text)
		t.Log(c.name)
		r.expect(c.code, c.want, "status", "status.cfg")
	}
	r.write("conf/status.cfg", fmt.Sprintf("dataDir=/nowhere\nsecureClientPort=%d\nsecureClientPortAddress=127.0.0.1\n", r.port))
	res := r.run("zkServer.sh", "status", "status.cfg")
	contains(t, "status of a TLS port", res.stdout, noMyid+secure+fmt.Sprintf("Client port found: %d. Client address: 127.0.0.1. Client SSL: true.\n", r.port),
		"CLIENT_JVMFLAGS", notRunning)
	if res.code != 1 {
		t.Errorf("exit code %d, want 1", res.code)
	}
}

func TestReachedThroughLinks(t *testing.T) {
	r := unpack(t)
	current := r.path("../current")
	if err := os.Symlink(r.root, current); err != nil {
		t.Fatal(err)
	}
	link := r.path("../zkServer.sh")
	if err := os.Symlink(r.path("bin/zkServer.sh"), link); err != nil {
		t.Fatal(err)
	}
	// Through a link to the directory the operator's own path is shown ...
	res := r.run(filepath.Join(current, "bin/zkServer.sh"), "print-cmd")
	contains(t, "stderr", res.stderr, "Using config: "+current+"/bin/../conf/zoo.cfg")
	// ... and a link to the script finds its neighbours.
	res = r.run(link, "version")
	contains(t, "stdout", res.stdout, "Apache ZooKeeper, version 3.9.5")
}

func TestNoBinary(t *testing.T) {
	r := unpack(t)
	if err := os.Remove(r.path("bin/zooid")); err != nil {
		t.Fatal(err)
	}
	res := r.run("zkServer.sh", "PATH=/usr/bin:/bin", "status")
	if res.code != 1 || res.stdout != "" {
		t.Errorf("exit code %d, stdout %q", res.code, res.stdout)
	}
	contains(t, "stderr", res.stderr, "make build")
}

func TestInitialize(t *testing.T) {
	r := unpack(t)
	cfg := r.path("conf/zoo.cfg")
	expect := func(code int, stdout string, args ...string) {
		t.Helper()
		if res := r.run("zkServer-initialize.sh", args...); res.code != code || !strings.HasPrefix(res.stdout, stdout) {
			t.Errorf("%q: exit code %d, stdout %q; want %d, %q", args, res.code, res.stdout, code, stdout)
		}
	}
	expect(0, "Using myid of 7\n", "--configfile="+cfg, "--myid=7")
	if got := r.read(filepath.Join(r.data, "myid")); got != "7\n" {
		t.Errorf("myid holds %q", got)
	}
	if !exists(filepath.Join(r.data, "version-2")) || !exists(filepath.Join(r.data, "initialize")) {
		t.Error("version-2 or the initialize mark is missing")
	}
	expect(1, "ZooKeeper data directory already exists at "+r.data+" (or use --force to force re-initialization)\n", "--configfile", cfg)
	r.write("data/version-2/snapshot.0", "x")
	expect(0, "Force enabled, data/txnlog directories will be re-initialized\nNo myid provided, be sure to specify it in "+
		r.data+"/myid if using non-standalone\n", "--force")
	if exists(filepath.Join(r.data, "version-2/snapshot.0")) || exists(filepath.Join(r.data, "myid")) {
		t.Error("--force left old data")
	}
	expect(1, "Unable to find config file at /nowhere\n", "--configfile=/nowhere")
	expect(1, "Unknown option: --bogus\nusage: "+r.path("bin/zkServer-initialize.sh")+" <parameters>\n", "--bogus")
	expect(1, "usage: ", "--help")
	expect(1, "usage: ", "-h")
	r.expect(0, started, "start")
	r.expect(0, stopped, "stop")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
