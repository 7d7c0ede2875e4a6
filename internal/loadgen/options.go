package loadgen

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The workloads that Run knows.
const (
	Read    = "read"
	Write   = "write"
	Mixed   = "mixed"
	Watch   = "watch"
	Connect = "connect"
	Churn   = "churn"
	Fill    = "fill"
	Idle    = "idle"
	Clean   = "clean"
)

// WorkloadInfo says in one line what a workload does.
type WorkloadInfo struct{ Name, Doc string }

// Workloads lists the workloads in the order in which help shows them.
var Workloads = []WorkloadInfo{
	{Read, "getData of random znodes"},
	{Write, "setData of random znodes"},
	{Mixed, "getData and setData by --read-share"},
	{Watch, "one setData seen by --connections watching sessions: time until the last one has its event, again and again"},
	{Connect, "new sessions a second"},
	{Churn, "cycles of connect, create an ephemeral znode, close"},
	{Fill, "create --keys znodes as fast as it goes, and leave them"},
	{Idle, "hold --connections idle sessions; with --pid, the server's memory for each"},
	{Clean, "delete what a fill, or a run that was killed, left below --path"},
}

// Limits of the options.
const (
	maxKeys    = childrenPerParent * childrenPerParent
	maxDepth   = 1 << 16
	maxSize    = 1 << 20
	maxThreads = 64
)

// Options says what Run does. NewOptions gives the defaults.
type Options struct {
	Workload       string
	Servers        []string // host:port each; connections are dealt round
	Connections    int
	Depth          int     // requests in flight on each connection
	ReadShare      float64 // Mixed: the share of reads, 0..1
	Size           int     // bytes of data in a znode
	Keys           int     // znodes that are read, written or filled; 0: the workload's default
	Duration       time.Duration
	Warmup         time.Duration // runs before Duration and is not counted
	Ops            int64         // stop after so many operations; 0: by Duration alone
	Rate           float64       // operations a second in an open loop; 0: as fast as replies come
	Path           string        // parent of all znodes that a run creates
	Auth           []string      // scheme:data, sent on every session
	SessionTimeout time.Duration
	Threads        int           // event loops; 0: one for two cores, at most 4
	PID            int           // Idle: a server process of this machine
	Keep           bool          // leave the znodes of the run
	Reuse          bool          // use the znodes of an earlier Fill with the same Path and Keys
	Slice          time.Duration // length of one Sample of the result's time line

	// Progress, if set, is called once a Slice and at each new phase, never
	// by two goroutines at once.
	Progress func(Progress)
}

// NewOptions returns the defaults for a workload.
func NewOptions(workload string) Options {
	return Options{
		Workload:       workload,
		Servers:        []string{"127.0.0.1:2181"},
		Connections:    50,
		Depth:          16,
		ReadShare:      0.9,
		Size:           100,
		Duration:       10 * time.Second,
		Warmup:         time.Second,
		Path:           "/zooid-bench",
		SessionTimeout: 30 * time.Second,
		Slice:          time.Second,
	}
}

// Check reports the first option that makes no sense; the error names its flag.
// Run does the same.
func (o Options) Check() error { return o.settle() }

// settle fills in what was left open and refuses what makes no sense; an error
// names the flag.
func (o *Options) settle() error {
	if o.Keys == 0 {
		o.Keys = 1000
		if o.Workload == Fill {
			o.Keys = 100000
		}
	}
	if o.Threads == 0 {
		o.Threads = min(max(1, runtime.GOMAXPROCS(0)/2), 4) // the server needs cores too
	}
	if o.Slice == 0 {
		o.Slice = time.Second
	}
	switch o.Workload {
	case Watch:
		o.Threads = 1
	case Connect, Churn, Idle:
		o.Depth = 1
	case Fill:
		o.Warmup, o.Ops = 0, int64(o.Keys)
	}
	o.Threads = max(1, min(o.Threads, o.Connections, maxThreads))
	if err := o.check(); err != nil {
		return err
	}
	return checkFiles(o.Connections)
}

// check holds every option against its bounds.
func (o *Options) check() error {
	known := slices.ContainsFunc(Workloads, func(w WorkloadInfo) bool { return w.Name == o.Workload })
	switch {
	case !known:
		return fmt.Errorf("unknown workload %q: it is one of %s", o.Workload, workloadNames())
	case len(o.Servers) == 0:
		return fmt.Errorf("--servers: at least one host:port is needed")
	case o.Connections < 1:
		return fmt.Errorf("--connections %d: at least 1 is needed", o.Connections)
	case o.Depth < 1 || o.Depth > maxDepth:
		return fmt.Errorf("--depth %d: must be 1 to %d", o.Depth, maxDepth)
	case math.IsNaN(o.ReadShare) || o.ReadShare < 0 || o.ReadShare > 1:
		return fmt.Errorf("--read-share %v: must be 0 to 1", o.ReadShare)
	case o.Size < 0 || o.Size > maxSize:
		return fmt.Errorf("--size %d: must be 0 to %d bytes (servers refuse frames above jute.maxbuffer, 1 MB unless set)", o.Size, maxSize)
	case o.Keys < 1 || o.Keys > maxKeys:
		return fmt.Errorf("--keys %d: must be 1 to %d", o.Keys, maxKeys)
	case o.Duration <= 0:
		return fmt.Errorf("--duration %v: must be above 0", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("--warmup %v: must not be negative", o.Warmup)
	case o.Ops < 0:
		return fmt.Errorf("--ops %d: must not be negative", o.Ops)
	case o.Slice < 10*time.Millisecond:
		return fmt.Errorf("a slice of %v is too short: at least 10ms", o.Slice)
	case o.SessionTimeout < time.Second || o.SessionTimeout > 24*time.Hour:
		return fmt.Errorf("--session-timeout %v: must be 1s to 24h (the server clamps it to its own bounds)", o.SessionTimeout)
	case o.PID != 0 && o.Workload != Idle:
		return fmt.Errorf("--pid is for the workload %s only", Idle)
	case o.Reuse && !o.steady():
		return fmt.Errorf("--reuse is for the workloads %s, %s and %s", Read, Write, Mixed)
	}
	if err := o.checkRate(); err != nil {
		return err
	}
	if err := checkPath(o.Path); err != nil {
		return err
	}
	for _, a := range o.Auth {
		if scheme, data, ok := strings.Cut(a, ":"); !ok || scheme == "" || data == "" {
			return fmt.Errorf("--auth %q: must be scheme:data, such as digest:user:password", a)
		}
	}
	return nil
}

func (o *Options) checkRate() error {
	switch {
	case math.IsNaN(o.Rate) || o.Rate < 0 || o.Rate > 1e8:
		return fmt.Errorf("--rate %v: must be 0 (no limit) to 1e8 operations a second", o.Rate)
	case o.Rate > 0 && !o.steady():
		return fmt.Errorf("--rate is for the workloads %s, %s and %s", Read, Write, Mixed)
	}
	return nil
}

// steady reports whether the workload is one of requests on open sessions.
func (o *Options) steady() bool {
	return o.Workload == Read || o.Workload == Write || o.Workload == Mixed
}

func checkPath(p string) error {
	bad := !strings.HasPrefix(p, "/") || p == "/" || strings.HasSuffix(p, "/") || strings.Contains(p, "//") ||
		strings.Contains(p, "/./") || strings.Contains(p, "/../") || strings.ContainsRune(p, 0)
	switch {
	case bad:
		return fmt.Errorf("--path %q: must be a znode below the root, such as /zooid-bench", p)
	case p == "/zookeeper" || strings.HasPrefix(p, "/zookeeper/"):
		return fmt.Errorf("--path %q: /zookeeper belongs to the server; choose another", p)
	}
	return nil
}

func workloadNames() string {
	names := make([]string, 0, len(Workloads))
	for _, w := range Workloads {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}
