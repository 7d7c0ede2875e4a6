package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zooid/internal/loadgen"
)

// The servers that can be measured.
const (
	javaServer  = "java"
	bareServer  = "bare"
	zooidServer = "zooid"
)

var serverNames = []string{javaServer, bareServer, zooidServer}

// provide makes what the chosen servers need: Apache's jars, our binary.
func (s *settings) provide(ctx context.Context) error {
	for _, name := range s.servers {
		var err error
		switch name {
		case javaServer:
			err = s.fetchJars(ctx)
		case zooidServer:
			err = s.build(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) jars() string { return filepath.Join(s.root, ".cache", "java") }

func (s *settings) fetchJars(ctx context.Context) error {
	if found, _ := filepath.Glob(filepath.Join(s.jars(), "zookeeper-3.*.jar")); len(found) > 0 {
		return nil
	}
	return s.tool(ctx, "mvn", "-q", "-B", "-f", filepath.Join(s.root, "test", "interop", "java", "pom.xml"),
		"dependency:copy-dependencies", "-DoutputDirectory="+s.jars())
}

func (s *settings) build(ctx context.Context) error {
	if s.noBuild {
		_, err := os.Stat(s.zooid)
		return err
	}
	return s.tool(ctx, "go", "build", "-o", s.zooid, "./cmd/zooid")
}

// tool runs a command of the tool chain in the checkout.
func (s *settings) tool(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, bytes.TrimSpace(out))
	}
	return nil
}

// process is a server that was started here.
type process struct {
	name    string
	addr    string
	dir     string   // dataDir and log
	lines   []string // of its zoo.cfg, beside those of all servers
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{} // closed when the process is gone
}

// start runs a server over a data directory (which may hold data already) and
// waits until it answers a read of the znode. More lines go into its zoo.cfg.
func (b *bench) start(ctx context.Context, name, dir, znode string, lines ...string) (*process, time.Duration, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	p := &process{name: name, addr: addr, dir: dir, lines: lines}
	if err := b.launch(p); err != nil {
		return nil, 0, err
	}
	answered, err := p.await(ctx, znode)
	if err != nil {
		return nil, 0, err
	}
	return p, answered.Sub(p.started), nil
}

// launch starts the process of a server, for the first time or once more, and
// does not wait until it answers.
func (b *bench) launch(p *process) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	cmd, err := b.command(p)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ended := make(chan struct{})
	p.cmd, p.started, p.ended = cmd, time.Now(), ended
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	if !slices.Contains(b.running, p) {
		b.running = append(b.running, p)
	}
	return nil
}

func (p *process) logFile() string { return filepath.Join(p.dir, p.name+".log") }

func (b *bench) command(p *process) (*exec.Cmd, error) {
	if p.name == bareServer {
		self, err := os.Executable()
		return exec.Command(self, "-bare", p.addr), err
	}
	cfg := filepath.Join(p.dir, "zoo.cfg")
	if err := writeConfig(cfg, p.addr, p.dir, p.lines); err != nil {
		return nil, err
	}
	if p.name == zooidServer {
		args := []string{"server", cfg}
		if b.profiles != "" {
			b.profiled++
			args = append(args, "--cpuprofile", filepath.Join(b.profiles, fmt.Sprintf("%03d-%s.pprof", b.profiled, filepath.Base(p.dir))))
		}
		return exec.Command(b.zooid, args...), nil
	}
	args := append([]string{}, b.javaFlags...)
	args = append(args, "-cp", filepath.Join(b.jars(), "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)
	return exec.Command("java", args...), nil
}

func writeConfig(file, addr, dir string, lines []string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "tickTime=2000\ndataDir=%s\nclientPort=%s\nclientPortAddress=%s\n", filepath.Join(dir, "data"), port, host)
	fmt.Fprintf(&text, "maxClientCnxns=0\nadmin.enableServer=false\n")
	for _, line := range lines {
		fmt.Fprintln(&text, line)
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// freeAddr finds a port that nobody uses.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// startLimit is how long a server may take until its first answer.
const startLimit = 3 * time.Minute

// A server that is coming up may accept a connection and never answer on it, so
// attempts overlap: one begins every so often, and each ends soon.
const (
	attemptEvery = 2 * time.Millisecond
	attemptLimit = 200 * time.Millisecond
)

// await asks again and again until the server answers, and returns when that
// was.
func (p *process) await(ctx context.Context, znode string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(attemptEvery)
	defer ticker.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	answers := make(chan time.Time, int(attemptLimit/attemptEvery)+1)
	underway := make(chan struct{}, cap(answers))
	var last atomic.Pointer[error]
	for {
		select {
		case <-ticker.C:
		case at := <-answers:
			return at, nil
		case <-p.ended:
			return time.Time{}, fmt.Errorf("%s ended before it answered:\n%s", p.name, p.tail())
		case <-ctx.Done():
			err := ctx.Err()
			if e := last.Load(); e != nil {
				err = *e
			}
			return time.Time{}, fmt.Errorf("%s did not answer within %v: %w\n%s", p.name, startLimit, err, p.tail())
		}
		select {
		case underway <- struct{}{}:
		default:
			continue // all attempts are still under way
		}
		wg.Go(func() {
			defer func() { <-underway }()
			attempt, done := context.WithTimeout(ctx, attemptLimit)
			defer done()
			at, err := loadgen.Probe(attempt, p.addr, znode)
			if err != nil {
				last.Store(&err)
				return
			}
			select {
			case answers <- at:
			default:
			}
		})
	}
}

// tail is the end of what the server printed.
func (p *process) tail() string {
	text, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	const most = 1500
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return string(bytes.TrimSpace(text))
}

// addrs and alive make a single server a site.
func (p *process) addrs() []string { return []string{p.addr} }

func (p *process) kind() string { return p.name }

// stop ends a server with SIGTERM, and with SIGKILL if that does not help.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(time.Minute):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return errors.New(p.name + " did not end within a minute of SIGTERM and was killed")
}

// stopAll ends whatever runs, all at once: what is left of an ensemble need not
// choose a leader any more.
func (b *bench) stopAll() {
	for _, p := range b.running {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range b.running {
		if err := p.stop(); err != nil {
			b.say("%v", err)
		}
	}
	b.running = nil
}

// alive reports that a server did not end in the middle of a measurement.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself:\n%s", p.name, p.tail())
	default:
		return nil
	}
}

// resident is the memory of the process once it changes no more, in bytes.
func (p *process) resident(ctx context.Context) (int64, error) {
	const quiet, limit = 5, 60 // seconds
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var marked int64
	still := 0
	for range limit {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if err := p.alive(); err != nil {
			return 0, err
		}
		n, err := loadgen.ResidentBytes(p.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		if diff := n - marked; diff > marked/100 || -diff > marked/100 {
			marked, still = n, 0
		}
		if still++; still > quiet {
			return n, nil
		}
	}
	return loadgen.ResidentBytes(p.cmd.Process.Pid)
}
