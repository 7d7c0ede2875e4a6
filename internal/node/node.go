// Package node is the shell around the core: it owns the goroutines, the loop
// that steps the replica, the disk writer, recovery, snapshots, purging, and
// start and stop of a whole server.
//
// The command "zooid server" and the test servers of zk/zktest start a Node.
// Decisions about data belong to package replica; this package carries them
// out and must never answer a write before its record is durable.
package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"zooid/internal/admin"
	"zooid/internal/auth"
	"zooid/internal/clientport"
	"zooid/internal/config"
	"zooid/internal/metrics"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/tlsconf"
	"zooid/internal/vfs"
)

// Exit codes of the process (ExitCode of Apache's server).
const (
	exitUnexpected   = 1
	exitConfig       = 2
	exitDataDir      = 3
	exitLogFailure   = 10
	exitElectionPort = 14
)

// ExitError is an error that has an exit code of its own.
type ExitError struct {
	Code int
	Err  error
}

// Error implements error.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// Options are what a node needs beside its configuration.
type Options struct {
	Log *slog.Logger
	FS  vfs.FS // nil: the real one
	// ReadsInLoop sends every read through the loop; the benchmark of the two
	// ways sets it (docs/adr/0001).
	ReadsInLoop bool
}

// Node is a running server.
type Node struct {
	cfg         *config.Config
	opts        Options
	log         *slog.Logger
	started     time.Time
	dirs        *storage.Dirs
	compression storage.Compression
	core        core
	inbox       *inbox
	disk        *diskWriter
	port        *clientport.Port // nil: no client is served
	tls         *tlsconf.Context // of TLS clients, nil without any
	policy      *auth.Policy
	member      *member // nil: the server is alone
	metrics     *metrics.Server
	countReads  func(frames, replies []byte) // tallyReads
	tallies     sync.Pool                    // of *metrics.Tally, for countReads
	reads       *metrics.Tally               // the loop's
	writes      *metrics.Tally
	gate        admin.Whitelist
	sasl        *replica.SASL // nil: no client authenticates with it

	serving      atomic.Bool
	lastStats    replica.Stats // the loop's
	lastSnapshot atomic.Pointer[SnapshotTaken]
	stopping     chan struct{} // no new work
	halted       chan struct{} // give up what is under way
	loop         *loop
	loopDone     chan struct{}
	work         sync.WaitGroup // ticker, purger, snapshots
	snapshots    sync.Mutex     // held by whoever writes one
	stopOnce     sync.Once

	failOnce sync.Once
	failed   chan struct{}
	failure  error
}

// Start recovers the data, writes the first snapshot if there was nothing,
// and serves. An error is an *ExitError with the exit code that it asks for.
func Start(cfg *config.Config, opts Options) (*Node, error) {
	if opts.FS == nil {
		opts.FS = vfs.OS
	}
	n := &Node{
		cfg: cfg, opts: opts, log: opts.Log, started: time.Now(),
		inbox: newInbox(), metrics: &metrics.Server{}, policy: authPolicy(cfg),
		stopping: make(chan struct{}), halted: make(chan struct{}),
		loopDone: make(chan struct{}), failed: make(chan struct{}),
	}
	n.loop = &loop{n: n}
	n.loop.mu.Lock() // until there is something to step
	n.countReads = n.tallyReads
	n.tallies.New = func() any { return metrics.NewTally(&n.metrics.ReadPerNamespace) }
	n.reads = metrics.NewTally(&n.metrics.ReadPerNamespace)
	n.writes = metrics.NewTally(&n.metrics.WritePerNamespace)
	var unknown []string
	n.gate, unknown = admin.ParseWhitelist(fourLetterWords(cfg), cfg.ReadOnlyMode)
	for _, w := range unknown {
		n.log.Warn("4lw.commands.whitelist has an entry that is no four-letter word", "entry", w)
	}
	var err error
	if n.compression, err = storage.ParseCompression(cfg.SnapshotCompression); err != nil {
		return nil, &ExitError{exitConfig, err}
	}
	if n.sasl, err = newSASL(cfg, n.log); err != nil {
		return nil, &ExitError{exitUnexpected, err}
	}
	n.dirs, err = storage.OpenDirs(opts.FS, cfg.DataDir, cfg.DataLogDir, cfg.DatadirAutocreate)
	if err != nil {
		return nil, &ExitError{exitDataDir, err}
	}
	if err := n.startServing(); err != nil {
		return nil, errors.Join(err, n.dirs.Close())
	}
	return n, nil
}

// startServing opens the client port before it reads the data: that it is taken
// shows at once, and an operator's command is answered while a long recovery
// runs. What such a command looks at is there before the port is.
func (n *Node) startServing() error {
	begin := time.Now()
	if ensembleMode(n.cfg) {
		var err error
		if n.member, err = n.newMember(); err != nil {
			return err
		}
	}
	if err := n.listen(); err != nil {
		if e := new(ExitError); errors.As(err, &e) {
			return err
		}
		return &ExitError{exitUnexpected, err}
	}
	if n.member != nil {
		n.backUpConfig()
	}
	report, err := n.recover()
	if err == nil && n.member != nil {
		err = n.member.listen()
	}
	if err != nil {
		n.stopListening()
		if e := new(ExitError); errors.As(err, &e) {
			return err
		}
		return &ExitError{exitUnexpected, err}
	}
	n.core.r.Start(n.clock())
	n.disk = newDiskWriter(n, n.openLog())
	n.wireMetrics()
	go n.disk.run()
	n.loop.throttle = newThrottler(n)
	n.loop.mu.Unlock()
	go n.loop.run()
	n.work.Go(func() { n.ticker(n.tickEvery()) })
	n.work.Go(n.purger)
	if n.member != nil && n.member.security.context != nil && n.cfg.Quorum.SSLQuorumReloadCertFiles {
		n.work.Go(func() { n.member.security.context.Watch(n.stopping) })
	}
	if n.tls != nil && n.tls.Settings().Reload {
		n.work.Go(func() { n.tls.Watch(n.stopping) })
	}
	if n.member != nil && n.cfg.Quorum.OraclePath != "" {
		n.work.Go(n.watchOracle)
	}
	if report.Txns > 0 {
		n.inbox.put(item{event: replica.Event{Kind: replica.SnapshotWanted}})
	}
	if n.member == nil {
		n.serving.Store(true)
	} else {
		n.inbox.put(item{event: replica.Event{Kind: replica.Tick}, tick: true})
	}
	n.banner(report, time.Since(begin))
	return nil
}

// tickEvery is how often the loop looks at its clock: often enough for the
// session buckets, which are one tick long, and for the sweeps for containers
// and nodes with a time to live.
func (n *Node) tickEvery() time.Duration {
	every := time.Duration(n.cfg.TickTimeMs) * time.Millisecond / 4
	sweeps := time.Duration(n.cfg.ContainerCheckIntervalMs) * time.Millisecond
	return min(max(min(every, sweeps), 5*time.Millisecond), 250*time.Millisecond)
}

func (n *Node) listen() error {
	c := n.cfg
	if c.ClientPort == config.NoPort && c.SecureClientPort == config.NoPort {
		n.log.Warn("no clientPort in the configuration: the server runs, but no client can reach it")
		return nil
	}
	port := n.newPort()
	if c.ServesTLS() {
		if err := n.openTLS(); err != nil {
			return err
		}
		port.TLS, port.Unified = n.tls.Server(), c.ClientPortUnification
	}
	var err error
	if c.ClientPort != config.NoPort {
		err = port.Listen(net.JoinHostPort(c.ClientPortAddress, strconv.Itoa(c.ClientPort)))
	}
	if err == nil && c.SecureClientPort != config.NoPort {
		err = port.ListenTLS(net.JoinHostPort(c.SecureClientPortAddress, strconv.Itoa(c.SecureClientPort)))
	}
	if err != nil {
		port.Discard()
		return err
	}
	n.port = port
	go n.port.Serve()
	return nil
}

// newPort is the client port by the configuration, not listening yet.
func (n *Node) newPort() *clientport.Port {
	t := &n.cfg.Connections
	newWeight := t.GlobalWeight
	if ensembleMode(n.cfg) && n.cfg.Quorum.LocalSessionsEnabled {
		newWeight = t.LocalWeight
	}
	return &clientport.Port{
		Core: n, Log: n.log, Metrics: n.metrics,
		Limits: clientport.Limits{
			MaxFrame:          n.cfg.JuteMaxBufferBytes,
			PerAddress:        n.cfg.MaxClientCnxns,
			Total:             n.cfg.MaxCnxns,
			Outstanding:       int64(n.cfg.GlobalOutstandingLimit),
			SessionlessFor:    time.Duration(n.cfg.SessionlessCnxnTimeoutMs) * time.Millisecond,
			LargeRequest:      n.cfg.LargeRequestThresholdBytes,
			LargeRequestBytes: int64(n.cfg.LargeRequestMaxBytes),
			KeepAlive:         n.cfg.ClientTCPKeepAlive,
			Backlog:           n.cfg.ClientPortListenBacklog,
			MaxOutput:         maxOutput,
			Descriptors:       clientDescriptors(),
			Handshakes:        n.cfg.OutstandingHandshakeLimit,
			EarlyDrop:         n.cfg.EarlyDropSecureHandshakes,
		},
		Throttle: &clientport.Throttle{
			MaxTokens: t.Tokens, FillTime: time.Duration(t.FillTimeMs) * time.Millisecond, FillCount: t.FillCount,
			FreezeTime:   time.Duration(t.FreezeTimeMs) * time.Millisecond,
			DropIncrease: t.DropIncrease, DropDecrease: t.DropDecrease, DecreaseRatio: t.DecreaseRatio,
			Weights: t.WeightEnabled, NewWeight: newWeight, RenewWeight: t.RenewWeight,
		},
	}
}

// stopListening ends a start that failed.
func (n *Node) stopListening() {
	if n.port != nil {
		n.port.Drain(0)
	}
}

// maxOutput is how many bytes a client may leave unread before it is cut off.
const maxOutput = 256 << 20

// Addr returns the address of the client port, "" without one.
func (n *Node) Addr() string {
	if n.port == nil || n.port.Addr() == nil {
		return ""
	}
	return n.port.Addr().String()
}

// SecureAddr returns the address of the port for TLS clients, "" without one.
func (n *Node) SecureAddr() string {
	if n.port == nil || n.port.SecureAddr() == nil {
		return ""
	}
	return n.port.SecureAddr().String()
}

// Failed is closed when the server has to stop by itself; Err says why.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err returns why the server stopped by itself: an *ExitError, or nil.
func (n *Node) Err() error {
	select {
	case <-n.failed:
		return n.failure
	default:
		return nil
	}
}

// fail stops serving at once: what is not durable is never acknowledged.
func (n *Node) fail(code int, err error) {
	n.failOnce.Do(func() {
		n.serving.Store(false)
		n.metrics.UnrecoverableErrorCount.Inc()
		n.failure = &ExitError{code, err}
		close(n.failed)
	})
}

// Stop stops taking requests, answers those in flight, closes connections and
// leaves a clean log.
func (n *Node) Stop() error {
	var err error
	n.stopOnce.Do(func() { err = n.stop() })
	return err
}

func (n *Node) stop() error {
	if n.member != nil {
		n.member.handOver(true)
	}
	n.serving.Store(false)
	close(n.stopping)
	if n.port != nil {
		n.port.Drain(n.drainFor())
	}
	close(n.halted)
	if n.member != nil {
		// The others learn at once that this one is gone, and the loop is not
		// kept busy by them.
		n.inbox.put(item{halt: true, event: replica.Event{Kind: replica.Tick}})
		n.member.stop()
	}
	err := n.disk.close()
	n.inbox.close()
	<-n.loopDone
	n.loop.mu.Lock() // for good: what comes late finds somebody at it
	// Only turns start snapshots, so none begins from here on.
	n.work.Wait()
	return errors.Join(err, n.dirs.Close())
}

// drainFor is how long to wait for requests in flight: not at all once nothing
// can become durable any more.
func (n *Node) drainFor() time.Duration {
	select {
	case <-n.failed:
		return 0
	default:
		return time.Duration(n.cfg.Requests.ShutdownTimeoutMs) * time.Millisecond
	}
}

func sessionHex(id int64) string { return "0x" + strconv.FormatUint(uint64(id), 16) }

func zxidHex(zxid int64) string { return "0x" + strconv.FormatUint(uint64(zxid), 16) }

// banner says in one line what has started.
func (n *Node) banner(report *storage.Report, took time.Duration) {
	var nodes int
	n.core.view(func(r *replica.Replica) { nodes = r.Tree().NodeCount() })
	what, mode := "zooid is serving", "standalone"
	if n.member != nil {
		what, mode = "zooid has started and looks for its ensemble", "member "+strconv.FormatInt(n.cfg.ServerID, 10)
	}
	n.log.Info(what,
		"version", admin.Version, "speaks", "ZooKeeper "+admin.SpokenVersion, "mode", mode,
		"client_port", n.Addr(), "secure_client_port", n.SecureAddr(), "data_dir", n.dirs.Snap, "log_dir", n.dirs.Log,
		"znodes", nodes, "last_zxid", zxidHex(report.LastZxid), "pid", os.Getpid(),
		"took", took.Round(time.Millisecond))
}

// errNoClients is the answer to a start whose data must not be served.
var errNoClients = fmt.Errorf("the data directory is empty and db.autocreate is false: " +
	"create the file \"initialize\" in it (zkServer-initialize.sh does) or set db.autocreate=true")
