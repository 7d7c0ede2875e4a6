package main

import (
	"encoding/json"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"zooid/internal/loadgen"
)

// newBenchCommand is the load generator, for any ZooKeeper server.
func newBenchCommand() *cobra.Command {
	opt := loadgen.NewOptions("")
	var asJSON, quiet bool
	var long strings.Builder
	long.WriteString("Put load on one or more ZooKeeper servers of any make and report throughput and latency.\n\nWorkloads:\n")
	for _, w := range loadgen.Workloads {
		fmt.Fprintf(&long, "  %-8s %s\n", w.Name, w.Doc)
	}
	long.WriteString(`
A run works below a znode of its own under --path and removes it again, also
after Ctrl-C; only fill leaves its znodes (bench clean removes them). Without --rate every
connection keeps --depth requests in flight (a closed loop); with it, requests leave at
fixed times and latency counts from the time at which a request should have left, so that
a stall of the server shows in full. Progress goes to stderr, the result to stdout.`)
	cmd := &cobra.Command{
		Use:   "bench WORKLOAD",
		Short: "Put load on a ZooKeeper server and measure it",
		Long:  long.String(),
		Example: `  zooid bench read --servers 127.0.0.1:2181 --connections 50 --depth 16
  zooid bench mixed --read-share 0.9 --rate 20000 --duration 30s
  zooid bench watch --connections 1000
  zooid bench fill --keys 1000000 --depth 64
  zooid bench idle --connections 10000 --pid $(cat zookeeper_server.pid)`,
		ValidArgsFunction: completeWorkload,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitError{2, fmt.Errorf("bench takes one workload; see: zooid bench --help")}
			}
			opt.Workload = args[0]
			if opt.Ops > 0 && !cmd.Flags().Changed("warmup") {
				opt.Warmup = 0
			}
			if cmd.Flags().Changed("read-share") && opt.Workload != loadgen.Mixed {
				return &exitError{2, fmt.Errorf("--read-share is for the workload %s only", loadgen.Mixed)}
			}
			if err := opt.Check(); err != nil {
				return &exitError{2, fmt.Errorf("bench: %w", err)}
			}
			if !quiet {
				opt.Progress = func(p loadgen.Progress) { fmt.Fprintln(cmd.ErrOrStderr(), p) }
			}
			return runBench(cmd, opt, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&opt.Servers, "servers", opt.Servers, "host:port[,host:port...]; connections are dealt round")
	f.IntVar(&opt.Connections, "connections", opt.Connections, "sessions, each with a connection of its own")
	f.IntVar(&opt.Depth, "depth", opt.Depth, "requests in flight on each connection")
	f.Float64Var(&opt.ReadShare, "read-share", opt.ReadShare, "share of reads in the workload mixed, 0 to 1")
	f.IntVar(&opt.Size, "size", opt.Size, "bytes of data in each znode")
	f.IntVar(&opt.Keys, "keys", 0, "znodes that are read, written or filled (default 1000; fill 100000)")
	f.DurationVar(&opt.Duration, "duration", opt.Duration, "how long to measure")
	f.DurationVar(&opt.Warmup, "warmup", opt.Warmup, "how long to run before measuring; 0 with --ops unless given")
	f.Int64Var(&opt.Ops, "ops", 0, "stop after so many operations (with watch: changes), or after --duration")
	f.Float64Var(&opt.Rate, "rate", 0, "operations a second, sent at fixed times in bursts of --depth")
	f.StringVar(&opt.Path, "path", opt.Path, "znode below which the run puts its own")
	f.StringArrayVar(&opt.Auth, "auth", nil, "scheme:data to authenticate with, such as digest:user:password; may be repeated")
	f.DurationVar(&opt.SessionTimeout, "session-timeout", opt.SessionTimeout, "session timeout to ask for")
	f.IntVar(&opt.Threads, "threads", 0, "event loops (default: the cores of the machine, at most 4)")
	f.IntVar(&opt.PID, "pid", 0, "with idle: the server's process, to report its memory for each session")
	f.BoolVar(&opt.Keep, "keep", false, "leave the znodes of the run")
	f.BoolVar(&opt.Reuse, "reuse", false, "use the znodes that bench fill left, with the same --path and --keys")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	f.BoolVarP(&quiet, "quiet", "q", false, "no progress on stderr")
	return cmd
}

func completeWorkload(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, w := range loadgen.Workloads {
		names = append(names, w.Name+"\t"+w.Doc)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// runBench carries the load out and prints what came of it.
func runBench(cmd *cobra.Command, opt loadgen.Options, asJSON bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	result, err := loadgen.Run(ctx, opt)
	if err != nil {
		return fmt.Errorf("bench %s: %w", opt.Workload, err)
	}
	if asJSON {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	result.Write(cmd.OutOrStdout())
	return nil
}
