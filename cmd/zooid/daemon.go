package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zooid/internal/admin"
	"zooid/internal/config"
)

const (
	// startWait is how long start waits for a sign of life before it takes a
	// running process for a started one, as the script of Apache ZooKeeper
	// does; a server that loads for longer goes on in the background.
	startWait = time.Second
	// stopWait bounds how long stop waits for the process to go. A server
	// drains its connections and closes its log in far less.
	stopWait = 30 * time.Second
	// pollInterval is the pause between two looks at a process that is not a
	// child, which has no event to wait for.
	pollInterval = 20 * time.Millisecond
)

// daemon is one server in the background, known by its pid file.
type daemon struct {
	config  string   // path of zoo.cfg
	props   []string // name=value, handed on to the server as -D
	pidFile string   // "" = zookeeper_server.pid in dataDir
	out     string   // where the server's output goes
	log     []string // --log-level and --log-format, handed on to the server
	stdout  io.Writer
	stderr  io.Writer
}

// newDaemonCommand is what zkServer.sh is made of: a server in the
// background, with the output and the exit codes of Apache's script.
func newDaemonCommand() *cobra.Command {
	d := &daemon{}
	var logLevel, logFormat string
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Start and stop a server in the background (what zkServer.sh runs)",
		Args:  cobra.NoArgs,
	}
	verb := func(name, short string, run func() error) {
		c := &cobra.Command{
			Use:   name + " [-Dkey=value ...] CONFIG",
			Short: short,
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				d.config, d.stdout, d.stderr = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
				d.log = []string{"--log-level", logLevel, "--log-format", logFormat}
				return run()
			},
		}
		c.Flags().StringVar(&d.pidFile, "pid-file", "", "file that holds the process id (default zookeeper_server.pid in dataDir)")
		c.Flags().StringVar(&d.out, "out", "zookeeper.out", "file for the output of the server")
		c.Flags().StringArrayVarP(&d.props, "property", "D", nil, "property name=value for the server")
		c.Flags().StringVar(&logLevel, "log-level", "info", "what the server logs: debug, info, warn or error")
		c.Flags().StringVar(&logFormat, "log-format", "text", "how it writes the log: text or json")
		cmd.AddCommand(c)
	}
	verb("start", "Start a server and tell whether it lives", d.start)
	verb("stop", "Stop the server that the pid file names", d.stop)
	verb("restart", "Stop, then start", func() error {
		if err := d.stop(); err != nil {
			return err
		}
		return d.start()
	})
	verb("handover", "Have another member lead, if the server that the pid file names does", d.handover)
	verb("dirs", "Check that the data directories exist, and create none", d.dirs)
	verb("where", "Print dataLogDir (if set) and dataDir, a line each", d.where)
	cmd.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version of ZooKeeper that is spoken, as zkServer.sh version does",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			version, date, _ := strings.Cut(admin.ZooKeeperVersion(), ", built on ")
			fmt.Fprintf(cmd.OutOrStdout(), "Apache ZooKeeper, version %s %s\n", version, date)
		},
	})
	return cmd
}

// start runs a server that outlives this process. The first line of output is
// Apache's, word for word; what it leaves out, the reason, goes to stderr.
func (d *daemon) start() error {
	fmt.Fprint(d.stdout, "Starting zookeeper ... ")
	pidFile, err := d.pidPath(true)
	if err != nil {
		return d.failed("FAILED TO START", err)
	}
	if pid, err := readPid(pidFile); err == nil && alive(pid) {
		if isServer(pid) {
			fmt.Fprintf(d.stdout, "already running as process %d.\n", pid)
			return &exitError{code: 1}
		}
		fmt.Fprintf(d.stderr, "zooid: %s names process %d, which is another program; taking it for left over\n", pidFile, pid)
	}
	out, err := openOut(d.out)
	if err != nil {
		return d.failed("FAILED TO START", err)
	}
	defer out.Close()
	cmd, ready, err := d.spawn(out)
	if err != nil {
		return d.failed("FAILED TO START", err)
	}
	defer ready.Close()
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d", cmd.Process.Pid), 0o644); err != nil {
		// Nobody could stop a server whose pid is not written down.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		return d.failed("FAILED TO WRITE PID", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case err := <-exited:
		_ = os.Remove(pidFile)
		return d.failed("FAILED TO START", fmt.Errorf("the server stopped (%s); its last words in %s:\n%s", exitText(err), d.out, tail(d.out)))
	case <-ready.Ready():
	case <-timer.C:
	}
	fmt.Fprintln(d.stdout, "STARTED")
	return nil
}

// spawn starts `zooid server` in a session of its own, with a socket on which
// it can say that it serves.
func (d *daemon) spawn(out *os.File) (*exec.Cmd, *readySocket, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	ready, err := listenReady()
	if err != nil {
		return nil, nil, err
	}
	args := append([]string{"server"}, d.log...)
	for _, p := range d.props {
		args = append(args, "-D"+p)
	}
	cmd := exec.Command(self, append(args, d.config)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), notifySocketEnv+"="+ready.Path())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		ready.Close()
		return nil, nil, err
	}
	return cmd, ready, nil
}

// stop ends the server and waits until it is gone, so that what follows finds
// the port and the directory free. Nothing to stop is no failure.
func (d *daemon) stop() error {
	fmt.Fprint(d.stdout, "Stopping zookeeper ... ")
	pidFile, err := d.pidPath(false)
	if err != nil {
		fmt.Fprintf(d.stdout, "no zookeeper to stop (%s)\n", err)
		return nil
	}
	pid, err := readPid(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(d.stdout, "no zookeeper to stop (could not find file %s)\n", pidFile)
		return nil
	}
	if err != nil {
		return d.failed("FAILED TO STOP", err)
	}
	if alive(pid) && isServer(pid) {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return d.failed("FAILED TO STOP", fmt.Errorf("process %d: %w", pid, err))
		}
		if !waitGone(pid, stopWait) {
			return d.failed("FAILED TO STOP", fmt.Errorf("process %d still runs %s after SIGTERM; look at %s before you kill it", pid, stopWait, d.out))
		}
	} else {
		fmt.Fprintf(d.stderr, "zooid: process %d of %s was gone already\n", pid, pidFile)
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(d.stderr, "zooid:", err)
	}
	fmt.Fprintln(d.stdout, "STOPPED")
	return nil
}

// dirs is the check of ZOO_DATADIR_AUTOCREATE_DISABLE: an operator who mounts
// the data directory wants no empty one in its place.
func (d *daemon) dirs() error {
	raw, err := readRawConfig(d.config)
	if err != nil {
		return err
	}
	data, logs := raw.get("dataDir"), raw.get("dataLogDir")
	if !isDir(filepath.Join(data, "version-2")) {
		fmt.Fprintf(d.stdout, "ZooKeeper data directory is missing at %s fix the path or run initialize\n", data)
		return &exitError{code: 1}
	}
	if logs != "" && !isDir(filepath.Join(logs, "version-2")) {
		fmt.Fprintf(d.stdout, "ZooKeeper txnlog directory is missing at %s fix the path or run initialize\n", logs)
		return &exitError{code: 1}
	}
	return nil
}

// where tells zkCleanup.sh the directories in the order of its tool.
func (d *daemon) where() error {
	raw, err := readRawConfig(d.config)
	if err != nil {
		return err
	}
	for _, key := range []string{"dataLogDir", "dataDir"} {
		if dir := raw.get(key); dir != "" {
			fmt.Fprintln(d.stdout, dir)
		}
	}
	return nil
}

// failed ends the line on stdout with verdict and says why on stderr.
func (d *daemon) failed(verdict string, err error) error {
	fmt.Fprintln(d.stdout, verdict)
	return &exitError{1, err}
}

// pidPath finds the pid file and, to start a server, makes its directory.
func (d *daemon) pidPath(create bool) (string, error) {
	pidFile := d.pidFile
	if pidFile == "" {
		raw, err := readRawConfig(d.config)
		if err != nil {
			return "", err
		}
		dataDir := raw.get("dataDir")
		if dataDir == "" {
			return "", fmt.Errorf("%s sets no dataDir", d.config)
		}
		pidFile = filepath.Join(dataDir, "zookeeper_server.pid")
	}
	if create {
		if err := os.MkdirAll(filepath.Dir(pidFile), 0o755); err != nil {
			return "", err
		}
	}
	return pidFile, nil
}

// openOut opens the file for the output of the server, and keeps that of the
// run before, which may hold the reason for the restart, as NAME.1.
func openOut(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, fmt.Errorf("directory for the output of the server: %w (set ZOO_LOG_DIR)", err)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, fmt.Errorf("output of the server: %w (set ZOO_LOG_DIR)", err)
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("output of the server: %w (set ZOO_LOG_DIR)", err)
	}
	return f, nil
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// tail returns the last lines of a file, enough to hold an error message.
func tail(name string) string {
	const keep = 10
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-keep):], "\n")
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// rawConfig is zoo.cfg read for single keys only: status and stop must work
// with a file that the server would refuse.
type rawConfig []config.Entry

func readRawConfig(name string) (rawConfig, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("config file %s does not exist; conf/zoo_sample.cfg is a start", name)
	}
	if err != nil {
		return nil, err
	}
	entries, err := config.ReadProperties(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return entries, nil
}

// get returns the value of key, the last one if there are several, "" if none.
func (r rawConfig) get(key string) string {
	value := ""
	for _, e := range r {
		if strings.TrimSpace(e.Key) == key {
			value = strings.TrimSpace(e.Value)
		}
	}
	return value
}
