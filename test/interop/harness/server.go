package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options says which server to start and how. The zero value is the server
// under test with an empty data directory of its own.
type Options struct {
	Kind        Kind     // empty: UnderTest()
	Dir         string   // folder for zoo.cfg, data, log; empty: a temporary one
	Lines       []string // further lines of zoo.cfg; a later line of a key wins
	Properties  []string // "name=value" system properties (-Dname=value)
	SeparateLog bool     // give dataLogDir a folder of its own
	NoWords     bool     // leave the four-letter words as they are by default
	Quiet       bool     // do not print the server's log when the test fails
	Machine     Machine  // where it runs

	member int // id in an ensemble, see StartEnsemble; 0 standalone
}

// Machine is where a server runs: this machine's loopback, or what a test has
// made for it.
type Machine struct {
	Host  string   // the address that it listens on; empty: 127.0.0.1
	Nets  []string // the addresses for the other members, if it has several; nil: Host
	Enter []string // a command line that runs the server's behind it as one process, such as nsenter
}

func (m Machine) host() string {
	if m.Host == "" {
		return "127.0.0.1"
	}
	return m.Host
}

func (m Machine) nets() []string {
	if len(m.Nets) == 0 {
		return []string{m.host()}
	}
	return m.Nets
}

// Server is one server process on a loopback port, or its stopped remains:
// Restart brings it back on the same port and the same directories.
type Server struct {
	t    testing.TB
	opt  Options
	port int

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; valid after done
}

// Start starts a server and waits until it serves. The test's clean-up stops
// it; when the test has failed, the end of the server's log is printed.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s := Prepare(t, opt)
	s.Restart()
	return s
}

// Prepare makes a server's directories and zoo.cfg without starting it, so
// that a test can put files into its data directory first.
func Prepare(t testing.TB, opt Options) *Server {
	t.Helper()
	if opt.Kind == "" {
		opt.Kind = UnderTest()
	}
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	s := &Server{t: t, opt: opt, port: freePort(t)}
	for _, dir := range []string{s.DataDir(), s.LogDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.writeConfig()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() && !opt.Quiet {
			s.showLog()
		}
	})
	return s
}

// showLog prints the end of the log; that of a member of an ensemble is longer
// and is kept as a whole too, since what matters may lie far back.
func (s *Server) showLog() {
	if s.opt.member == 0 {
		s.t.Logf("%s server log, last lines:\n%s", s.opt.Kind, tail(s.Output(), 12))
		return
	}
	text := s.Output()
	kept := LogFile(s.t, fmt.Sprintf("member-%d.log", s.opt.member))
	err := os.WriteFile(kept, []byte(text), 0o644)
	s.t.Logf("log of member %d (%s), kept in %s (%v), last lines:\n%s", s.opt.member, s.opt.Kind, kept, err, tail(text, 40))
}

// LogFile is a path in the git-ignored folder that keeps what a failed test
// leaves behind for whoever looks into it.
func LogFile(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(Root(), "build", "ensemble-logs", strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Error(err)
	}
	return filepath.Join(dir, name)
}

// Kind tells which implementation this server is.
func (s *Server) Kind() Kind { return s.opt.Kind }

// Port is the client port; it stays the same over restarts.
func (s *Server) Port() int { return s.port }

// Addr is the client address, 127.0.0.1:port unless the server has a machine.
func (s *Server) Addr() string { return fmt.Sprintf("%s:%d", s.opt.Machine.host(), s.port) }

// Dir is the folder that holds zoo.cfg, the directories and the log.
func (s *Server) Dir() string { return s.opt.Dir }

// DataDir is dataDir (snapshots live in its version-2).
func (s *Server) DataDir() string { return filepath.Join(s.opt.Dir, "data") }

// LogDir is dataLogDir, the same folder as DataDir unless SeparateLog was set.
func (s *Server) LogDir() string {
	if s.opt.SeparateLog {
		return filepath.Join(s.opt.Dir, "txnlog")
	}
	return s.DataDir()
}

// ConfigFile is the path of the server's zoo.cfg.
func (s *Server) ConfigFile() string { return filepath.Join(s.opt.Dir, "zoo.cfg") }

// Output is all that the process wrote to its standard streams, over all its
// lives.
func (s *Server) Output() string {
	b, err := os.ReadFile(filepath.Join(s.opt.Dir, "server.out"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Pid is the process id of the running server.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Configure replaces the further zoo.cfg lines and the properties; they hold
// from the next Restart on.
func (s *Server) Configure(lines, properties []string) {
	s.opt.Lines, s.opt.Properties = lines, properties
	s.writeConfig()
}

// Restart starts the stopped server on its port and directories and waits
// until it serves.
func (s *Server) Restart() {
	s.t.Helper()
	s.Launch()
	if !s.awaitServing() {
		s.t.Fatalf("the %s server on %s did not come up (%v):\n%s", s.opt.Kind, s.Addr(), s.endError(), tail(s.Output(), 40))
	}
}

// Launch starts the process without waiting for it to serve.
func (s *Server) Launch() {
	s.t.Helper()
	out, err := os.OpenFile(filepath.Join(s.opt.Dir, "server.out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd := s.command()
	if enter := s.opt.Machine.Enter; len(enter) > 0 {
		within := exec.Command(enter[0], slices.Concat(enter[1:], cmd.Args)...)
		within.Env = cmd.Env
		cmd = within
	}
	cmd.Stdout, cmd.Stderr = out, out
	// The server dies with the test binary, however that one ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start the %s server: %v", s.opt.Kind, err)
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	go func() {
		err := cmd.Wait()
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		close(done)
	}()
}

// Done is closed when the running process ends.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Running reports whether the process lives.
func (s *Server) Running() bool {
	done := s.Done()
	if done == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// ExitCode is the exit code of the ended process, -1 after a signal.
func (s *Server) ExitCode() int {
	<-s.Done()
	return s.cmd.ProcessState.ExitCode()
}

// Stop ends the server with SIGTERM, as zkServer.sh stop does, and waits.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server with SIGKILL and waits until the process is gone.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) {
	if !s.Running() {
		return
	}
	done := s.Done()
	// An error means that it has just ended by itself, which done tells too.
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-done:
	case <-time.After(Patience):
		s.t.Errorf("the %s server did not end on %v", s.opt.Kind, sig)
		_ = s.cmd.Process.Kill()
		<-done
	}
}

func (s *Server) endError() error {
	if s.Running() {
		return fmt.Errorf("still running")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Server) awaitServing() bool {
	done := s.Done()
	up := Eventually(done, func() bool {
		// Apache's server forgets a word that comes while it is half up, so the
		// question must be short.
		out, err := fourLetter(s.Addr(), "srvr", 300*time.Millisecond)
		return err == nil && strings.Contains(out, "Mode: standalone")
	})
	return up && s.Running()
}

func (s *Server) writeConfig() {
	s.t.Helper()
	lines := []string{
		"tickTime=2000", "initLimit=10", "syncLimit=5",
		"dataDir=" + s.DataDir(),
		fmt.Sprintf("clientPort=%d", s.port), "clientPortAddress=" + s.opt.Machine.host(),
		"admin.enableServer=false",
		// The growth step of the txn log: 64 MB of zeros per start would be
		// copied and read by every data directory test.
		"preAllocSize=256",
	}
	if !s.opt.NoWords {
		lines = append(lines, "4lw.commands.whitelist=*")
	}
	if s.opt.SeparateLog {
		lines = append(lines, "dataLogDir="+s.LogDir())
	}
	for _, own := range s.opt.Lines {
		key, _, _ := strings.Cut(own, "=")
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+"=") })
	}
	lines = append(lines, s.opt.Lines...)
	text := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(s.ConfigFile(), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) command() *exec.Cmd {
	s.t.Helper()
	if s.opt.Kind == Java {
		args := make([]string, 0, len(s.opt.Properties)+1)
		for _, p := range s.opt.Properties {
			args = append(args, "-D"+p)
		}
		class := "org.apache.zookeeper.server.ZooKeeperServerMain"
		if s.opt.member != 0 {
			class = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
			// Roles, elections and how a learner was synchronised.
			args = append(args, "-Dorg.slf4j.simpleLogger.defaultLogLevel=info")
		}
		return JavaCommand(s.t, args, class, s.ConfigFile())
	}
	cmd := exec.Command(ZooidBinary(s.t), "server", s.ConfigFile())
	flags := make([]string, 0, len(s.opt.Properties))
	for _, p := range s.opt.Properties {
		flags = append(flags, "-D"+p)
	}
	cmd.Env = append(os.Environ(), "SERVER_JVMFLAGS="+strings.Join(flags, " "))
	return cmd
}

// tail is the last n lines of a text, Java's stack frames left out.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "\tat ") })
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
