package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"zooid/internal/config"
	"zooid/internal/node"
)

// The exit codes that the server shares with Apache's.
const (
	exitBadConfig = 2
)

// serverFlags are the flags of the server command.
type serverFlags struct {
	define    []string
	logFormat string
	logLevel  string
	profile   string
}

func newServerCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server [-Dkey=value ...] ZOO.CFG | server PORT DATADIR [TICKTIME [MAXCLIENTCNXNS]]",
		Short: "Run a server in the foreground",
		Long: "Runs a server until it is told to stop (SIGTERM or SIGINT), which answers what is in flight\n" +
			"and leaves a clean log. It takes a zoo.cfg, or the short form with a port and a data directory.\n" +
			"Java system properties are given by -D, or in JVMFLAGS and SERVER_JVMFLAGS as for Apache's server.",
		Args: cobra.RangeArgs(1, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runServer(cmd, args, &f)
		},
	}
	cmd.Flags().StringArrayVarP(&f.define, "define", "D", nil, "set a Java system property, as in -Dzookeeper.snapCount=1000")
	cmd.Flags().StringVar(&f.logFormat, "log-format", "text", "how to write the log: text or json")
	cmd.Flags().StringVar(&f.logLevel, "log-level", "info", "what to log: debug, info, warn or error")
	cmd.Flags().StringVar(&f.profile, "cpuprofile", "", "write a CPU profile of the whole run to this file")
	_ = cmd.Flags().MarkHidden("cpuprofile")
	return cmd
}

func runServer(cmd *cobra.Command, args []string, f *serverFlags) error {
	log, err := newLogger(f)
	if err != nil {
		return &exitError{exitBadConfig, err}
	}
	cfg, err := loadConfig(args, f.define, log)
	if err != nil {
		return &exitError{exitBadConfig, fmt.Errorf("invalid config, exiting abnormally\n%w", err)}
	}
	node.LimitMemory(log)
	ctx, cancel := signal.NotifyContext(cmd.Context(), endSignals()...)
	defer cancel()
	go node.PaceCollector(ctx.Done())
	if os.Getenv("ZOOID_SCHED") != "other" {
		go node.ShareProcessors(ctx.Done(), log)
	}
	if f.profile != "" {
		stop, err := profile(f.profile)
		if err != nil {
			return &exitError{1, err}
		}
		defer stop()
	}
	return serve(ctx, cfg, log)
}

// endSignals are what a server ends in order for. A terminal that is closed is one
// reason, unless the server was started with nohup.
func endSignals() []os.Signal {
	end := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	if !signal.Ignored(syscall.SIGHUP) {
		end = append(end, syscall.SIGHUP)
	}
	return end
}

// profile records where the processor's time goes until stop is called.
func profile(name string) (stop func(), err error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("cannot write the CPU profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("cannot write the CPU profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		file.Close()
	}, nil
}

// serve runs a node until the context ends or the node fails.
//
// SIGUSR2 has another member lead, if this one does.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	handOver := make(chan os.Signal, 1)
	signal.Notify(handOver, syscall.SIGUSR2)
	defer signal.Stop(handOver)
	n, err := node.Start(cfg, node.Options{Log: log, ReadsInLoop: os.Getenv("ZOOID_READS_IN_LOOP") != ""})
	if err != nil {
		return withExitCode(err)
	}
	notifyReady()
	for running := true; running; {
		select {
		case <-handOver:
			if err := n.HandOver(); err != nil {
				log.Warn("asked to hand over the leadership", "error", err)
			}
			continue
		case <-ctx.Done():
			log.Info("stopping: answering what is in flight")
		case <-n.Failed():
			log.Error("the server stops", "error", n.Err())
		}
		running = false
	}
	notifyStopping()
	stopErr := n.Stop()
	if err := n.Err(); err != nil {
		return withExitCode(err)
	}
	if stopErr != nil {
		return &exitError{1, fmt.Errorf("the server did not stop cleanly: %w", stopErr)}
	}
	log.Info("stopped")
	return nil
}

func withExitCode(err error) error {
	var e *node.ExitError
	if errors.As(err, &e) {
		return &exitError{e.Code, e.Err}
	}
	return err
}

func newLogger(f *serverFlags) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: allowed are debug, info, warn, error", f.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return nil, fmt.Errorf("--log-format %q: allowed are text and json", f.logFormat)
}

// loadConfig reads what the arguments name, with myid and the dynamic file. It
// says what is odd about them whether or not they are refused.
func loadConfig(args, define []string, log *slog.Logger) (*config.Config, error) {
	props, err := properties(define)
	if err != nil {
		return nil, err
	}
	cfg, warnings, err := parseConfig(args, props)
	if err == nil {
		var more []config.Warning
		more, err = completeConfig(cfg)
		warnings = append(warnings, more...)
	}
	for _, w := range warnings {
		if w.Note {
			log.Debug(w.String())
		} else {
			log.Warn(w.String())
		}
	}
	return cfg, err
}

// parseConfig reads a file, or the short form of arguments.
func parseConfig(args []string, props []config.Property) (*config.Config, []config.Warning, error) {
	if len(args) > 1 {
		return config.ParseArgs(args, props)
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return config.Parse(args[0], text, props)
}

// properties joins the -D flags with those of the environment; the flags win.
func properties(define []string) ([]config.Property, error) {
	var props []config.Property
	for _, name := range []string{"JVMFLAGS", "SERVER_JVMFLAGS"} {
		p, _, err := config.SplitJVMFlags(os.Getenv(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		props = append(props, p...)
	}
	for _, d := range define {
		name, value, _ := strings.Cut(d, "=")
		props = append(props, config.Property{Name: name, Value: value})
	}
	return props, nil
}

// completeConfig adds what stands in myid and in the dynamic file.
func completeConfig(cfg *config.Config) ([]config.Warning, error) {
	var warnings []config.Warning
	id := config.NoID
	name := filepath.Join(cfg.DataDir, "myid")
	text, err := os.ReadFile(name)
	if err == nil {
		if id, err = config.ParseMyID(name, text); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the server id: %w", err)
	}
	var members *config.Membership
	if cfg.DynamicFile != "" {
		text, err := os.ReadFile(cfg.DynamicFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read dynamicConfigFile: %w", err)
		}
		if members, warnings, err = config.ParseDynamic(cfg.DynamicFile, text); err != nil {
			return nil, err
		}
	}
	more, err := cfg.Complete(id, members)
	warnings = append(warnings, more...)
	if members != nil && err == nil {
		warnings = append(warnings, readLastSeen(cfg)...)
	}
	return warnings, err
}

// readLastSeen reads the configuration that was proposed when the server ran
// last. A file that cannot be read is passed over, as Apache's server does: the
// other members know better.
func readLastSeen(cfg *config.Config) []config.Warning {
	name := node.LastSeenFile(cfg.File)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var seen *config.Membership
	if err == nil {
		seen, _, err = config.ParseDynamic(name, text)
	}
	if err != nil {
		return []config.Warning{{File: name, Text: "the last-seen configuration cannot be read and does not count: " + err.Error()}}
	}
	cfg.LastSeen = seen
	return nil
}
