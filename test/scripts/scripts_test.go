// Package scripts runs the scripts of bin/ as an operator does and holds their
// output (which words, on which stream), exit codes and environment to those
// of Apache ZooKeeper 3.9. Each test has a copy of bin/ and conf/ of its own
// in a temporary directory, and free ports; run by root, the tests do
// everything as an ordinary user, who owns no more than that directory.
package scripts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ordinaryUser is nobody, who exists everywhere and may do nothing.
const ordinaryUser = 65534

// binary is zooid, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "zooid-scripts-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "zooid")
		build := exec.Command("go", "build", "-o", binary, "zooid/cmd/zooid")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// release is an unpacked release: bin/ with the scripts and zooid, conf/.
type release struct {
	t    *testing.T
	root string
	data string
	port int
	env  []string
}

// unpack lays a release out below a path with a blank in it, with a zoo.cfg
// for a free port and a data directory that does not exist yet.
func unpack(t *testing.T) *release {
	t.Helper()
	r := &release{t: t, root: filepath.Join(t.TempDir(), "zoo keeper"), port: freePort(t)}
	r.data = filepath.Join(r.root, "data")
	r.env = []string{"PATH=" + os.Getenv("PATH"), "USER=tester", "HOSTNAME=host-1", "HOME=" + r.root}
	if err := os.CopyFS(filepath.Join(r.root, "bin"), os.DirFS("../../bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(r.root, "conf"), os.DirFS("../../conf")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(binary, filepath.Join(r.root, "bin", "zooid")); err != nil {
		text, err := os.ReadFile(binary)
		if err == nil {
			err = os.WriteFile(filepath.Join(r.root, "bin", "zooid"), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.write("conf/zoo.cfg", fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n", r.data, r.port))
	r.own()
	t.Cleanup(func() { r.killLeftOver() })
	return r
}

// own gives the directory to the ordinary user.
func (r *release) own() {
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(r.root, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, ordinaryUser, ordinaryUser)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for dir := filepath.Dir(r.root); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
}

// write writes a file below the release.
func (r *release) write(name, text string) string {
	r.t.Helper()
	full := r.path(name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.own()
	return full
}

func (r *release) path(name string) string { return filepath.Join(r.root, name) }

func (r *release) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// result is what a script said and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

// command is a script of bin/ as the ordinary user, with NAME=value arguments
// before the script's own taken as environment.
func (r *release) command(script string, args ...string) *exec.Cmd {
	env := append([]string{}, r.env...)
	for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
		env, args = append(env, args[0]), args[1:]
	}
	if !filepath.IsAbs(script) {
		script = r.path("bin/" + script)
	}
	cmd := exec.Command(script, args...)
	cmd.Env, cmd.Dir = env, r.root
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: ordinaryUser, Gid: ordinaryUser}
	}
	return cmd
}

// run runs a script to its end. A server that it leaves behind must not hold
// its output open, so files and not pipes take it.
func (r *release) run(script string, args ...string) result {
	r.t.Helper()
	cmd := r.command(script, args...)
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(r.t.TempDir(), "out")
		if err != nil {
			r.t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	res := result{stdout: r.read(files[0].Name()), stderr: r.read(files[1].Name()), code: cmd.ProcessState.ExitCode()}
	r.t.Logf("%s %q: exit code %d\nstdout: %s\nstderr: %s", script, args, res.code, res.stdout, res.stderr)
	return res
}

// expect runs zkServer.sh and compares stdout and the exit code.
func (r *release) expect(code int, stdout string, args ...string) result {
	r.t.Helper()
	res := r.run("zkServer.sh", args...)
	if res.code != code || res.stdout != stdout {
		r.t.Errorf("zkServer.sh %q: exit code %d, stdout %q; want %d, %q", args, res.code, res.stdout, code, stdout)
	}
	return res
}

// pid reads a pid file and checks its form: digits and nothing else.
func (r *release) pid(name string) int {
	r.t.Helper()
	text := r.read(name)
	pid, err := strconv.Atoi(text)
	if err != nil {
		r.t.Fatalf("%s holds %q", name, text)
	}
	return pid
}

// killLeftOver ends a server that a failed test left behind.
func (r *release) killLeftOver() {
	for _, name := range []string{filepath.Join(r.data, "zookeeper_server.pid"), r.path("run/zk.pid")} {
		if text, err := os.ReadFile(name); err == nil {
			if pid, err := strconv.Atoi(string(text)); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// foreground starts start-foreground and waits until the server serves.
func (r *release) foreground(args ...string) (cmd *exec.Cmd, log *bytes.Buffer) {
	r.t.Helper()
	cmd = r.command("zkServer.sh", args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
	log = &bytes.Buffer{}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		if strings.Contains(lines.Text(), "is serving") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return cmd, log
		}
	}
	r.t.Fatalf("the server never served:\n%s", log)
	return nil, nil
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// ask sends a four-letter word.
func ask(t *testing.T, port int, word string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}
