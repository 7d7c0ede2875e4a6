// Command bench compares Zooid with Apache ZooKeeper, and with the ceiling of
// the machine: `make bench`, or `go run ./test/bench -help`.
//
// It starts the servers as processes of their own, lets package loadgen
// measure them in turns (A B C A B C, so that what else the machine does
// strikes all alike), and prints a table of medians with the ratio to Apache's
// server and the targets of the project, on stdout and as JSON below build/.
// It stands outside everything: no package imports it. It must end by itself,
// and it must kill nothing that it did not start.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"zooid/internal/loadgen"
)

// settings are the flags.
type settings struct {
	rows      []*row
	servers   []string
	rounds    int
	seconds   time.Duration // of each measurement
	warmup    time.Duration
	znodes    int
	sessions  int
	watchers  int
	root      string // of the checkout
	dir       string // for data and logs
	json      string
	zooid     string
	kills     int
	rate      float64
	profiles  string // directory for CPU profiles of Zooid; empty: none
	javaFlags []string
	tls       bool // between members
	noBuild   bool
	keep      bool
}

func main() {
	s, bare, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case bare != "":
		err = serveBare(bare)
	default:
		err = compare(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parseFlags reads the command line; a bare address means that this process is
// to be the bare server.
func parseFlags(args []string) (*settings, string, error) {
	s := &settings{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	servers := f.String("servers", "java,bare,zooid", "which servers to measure")
	rows := f.String("rows", "all", "which rows: all, standalone, ensemble, a group, or names (see -list)")
	quick := f.Bool("quick", false, "one short round, a tenth of the znodes and sessions, but for flags that are given")
	list := f.Bool("list", false, "list the rows and end")
	bare := f.String("bare", "", "be the bare server at this address (used by bench itself)")
	javaFlags := f.String("java-flags", "-Xmx1000m", "flags of the JVM (the default is what zkServer.sh gives)")
	f.IntVar(&s.rounds, "rounds", 3, "rounds; figures are medians")
	f.DurationVar(&s.seconds, "seconds", 4*time.Second, "length of a measurement")
	f.DurationVar(&s.warmup, "warmup", time.Second, "load before each measurement that is not counted")
	f.IntVar(&s.znodes, "znodes", 1_000_000, "znodes in the rows about size")
	f.IntVar(&s.sessions, "sessions", 10_000, "idle sessions")
	f.IntVar(&s.watchers, "watchers", 1000, "watching sessions")
	f.IntVar(&s.kills, "kills", 5, "how often leaders are killed and told to stop in the rows about that")
	f.Float64Var(&s.rate, "rate", 5000, "writes a second in the rows that compare at a fixed rate")
	f.StringVar(&s.profiles, "profiles", "", "directory for a CPU profile of each run of Zooid")
	f.StringVar(&s.dir, "dir", "", "directory for data and logs, removed afterwards (default build/bench)")
	f.StringVar(&s.json, "json", "", "file for all figures (default build/bench.json)")
	f.StringVar(&s.zooid, "zooid", "", "binary to measure (default: build build/zooid first)")
	f.BoolVar(&s.tls, "tls", false, "have members speak TLS to each other")
	f.BoolVar(&s.keep, "keep", false, "leave data and logs in -dir")
	if err := f.Parse(args); err != nil {
		return nil, "", err
	}
	if *bare != "" {
		return nil, *bare, nil
	}
	if *list {
		listRows(os.Stdout)
		return nil, "", flag.ErrHelp
	}
	if *quick {
		s.shorten(f)
	}
	s.servers, s.javaFlags = strings.Split(*servers, ","), strings.Fields(*javaFlags)
	for _, name := range s.servers {
		if !slices.Contains(serverNames, name) {
			return nil, "", fmt.Errorf("-servers: %q is none of %s", name, strings.Join(serverNames, ", "))
		}
	}
	var err error
	if s.rows, err = chooseRows(*rows); err != nil {
		return nil, "", err
	}
	if s.rounds < 1 || s.seconds <= 0 || s.znodes < 1 || s.sessions < 1 || s.watchers < 1 || s.kills < 1 || s.rate <= 0 {
		return nil, "", fmt.Errorf("-rounds, -seconds, -znodes, -sessions, -watchers, -kills and -rate must be above 0")
	}
	return s, "", s.place()
}

// shorten is -quick: smaller defaults for the flags that were not given.
func (s *settings) shorten(f *flag.FlagSet) {
	given := map[string]bool{}
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
	for name, value := range map[string]string{"rounds": "1", "seconds": "2s", "znodes": "100000", "sessions": "1000", "kills": "3"} {
		if !given[name] {
			_ = f.Set(name, value)
		}
	}
}

// place finds the checkout and the paths in it.
func (s *settings) place() error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || !strings.HasSuffix(mod, "go.mod") {
		return fmt.Errorf("run this inside the checkout (go env GOMOD says %q)", mod)
	}
	s.root = filepath.Dir(mod)
	if s.dir == "" {
		s.dir = filepath.Join(s.root, "build", "bench")
	}
	if s.json == "" {
		s.json = filepath.Join(s.root, "build", "bench.json")
	}
	s.noBuild = s.zooid != ""
	if s.zooid == "" {
		s.zooid = filepath.Join(s.root, "build", "zooid")
	}
	return nil
}

// compare measures all rows and prints the tables.
func compare(s *settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.provide(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if s.profiles != "" {
		if err := os.MkdirAll(s.profiles, 0o755); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return err
	}
	b := &bench{settings: s, dir: dir, report: newReport(s), began: time.Now()}
	defer b.cleanUp()
	err = b.run(ctx)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	b.report.write(os.Stdout)
	text, _ := json.MarshalIndent(b.report, "", "  ")
	if failed := os.WriteFile(s.json, append(text, '\n'), 0o644); failed != nil && err == nil {
		err = failed
	}
	if err == nil && len(b.report.Failures) > 0 {
		err = fmt.Errorf("%d measurements failed, see above", len(b.report.Failures))
	}
	return err
}

// bench is one comparison on its way.
type bench struct {
	*settings
	dir      string // of this run
	report   *report
	running  []*process
	began    time.Time
	spoke    time.Time // when the last line of progress was printed
	lastPort int       // that a member of an ensemble was given
	profiled int       // how many profiles were begun
}

// run takes the rows that share running servers first, then those that need
// servers of their own.
func (b *bench) run(ctx context.Context) error {
	if err := b.singles(ctx); err != nil {
		return err
	}
	if err := b.ensembleLoads(ctx); err != nil {
		return err
	}
	for _, group := range []struct {
		name string
		run  func(ctx context.Context, server string, rows map[string]*row) error
	}{
		{"start", b.emptyStarts},
		{"idle", b.idleSessions},
		{"million", b.million},
		{"e-failover", b.failover},
		{"e-million", b.ensembleMillion},
		{"e-growth", b.growth},
	} {
		rows := b.group(group.name)
		if len(rows) == 0 {
			continue
		}
		for _, server := range b.servers {
			if server == bareServer {
				continue
			}
			if err := group.run(ctx, server, rows); err != nil {
				b.fail(group.name, server, err)
			}
			b.stopAll()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// group picks the chosen rows of one group, by name.
func (b *bench) group(name string) map[string]*row {
	found := map[string]*row{}
	for _, r := range b.rows {
		if r.group == name {
			found[r.name] = r
		}
	}
	return found
}

// say tells those who wait what happens, with the time since the start.
func (b *bench) say(format string, args ...any) {
	b.spoke = time.Now()
	fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// quietFor is how long nothing may be said while something is measured.
const quietFor = 5 * time.Second

// relay passes a load's progress on, now and then.
func (b *bench) relay(p loadgen.Progress) {
	if p.Text == "" && time.Since(b.spoke) > quietFor {
		b.say("  ... %s", strings.TrimSpace(p.String()))
	}
}

// note says something that stands below the tables too.
func (b *bench) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.report.Notes = append(b.report.Notes, text)
	b.say("%s", text)
}

// fail notes a measurement that did not come about; the others go on.
func (b *bench) fail(row, server string, err error) {
	b.say("%s, %s: FAILED: %v", row, server, err)
	b.report.Failures = append(b.report.Failures, fmt.Sprintf("%s, %s: %v", row, server, err))
}

func (b *bench) cleanUp() {
	b.stopAll()
	if b.keep {
		b.say("data and logs are in %s", b.dir)
		return
	}
	_ = os.RemoveAll(b.dir)
	_ = os.Remove(b.settings.dir) // only if it is empty
}
