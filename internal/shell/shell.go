package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"zooid/zk"
)

// The exit codes of Apache's shell.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 127
	defaultServer   = "localhost:2181"
	defaultTimeout  = 30 * time.Second
	historyFileName = ".zooid-cli-history"
)

// Environment is what the shell needs of the program around it.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Interactive says that a person types: lines are edited, with history
	// and completion. Stdin is then the terminal of the process.
	Interactive bool
	// HistoryDir is where the history of an interactive shell is kept; "" for nowhere.
	HistoryDir string
	// Version is the text behind "ZooKeeper CLI version: ".
	Version string
	// ReadFile reads a file named on the command line.
	ReadFile func(name string) ([]byte, error)
	// Properties reads a file of java.util.Properties, in the order of the file.
	Properties func(text []byte) ([][2]string, error)
	// Membership turns a file of server lines into the text for a reconfig.
	Membership func(name string, text []byte) (string, error)
}

// Shell is one run of the command line.
type Shell struct {
	env      Environment
	console  *console
	commands []command
	opt      startOptions

	client *zk.Client
	host   string      // as given, for the prompt
	owned  bool        // the session has made ephemeral znodes
	muted  atomic.Bool // no events: printwatches off, or the shell is ending

	typed    map[int]string // the history, by number
	count    int
	status   int
	quitting bool
	// interrupts are presses of Ctrl-C while a person's command runs; nil in a
	// shell that is not interactive, which they end.
	interrupts chan os.Signal
}

// Main runs the shell with the arguments of zkCli.sh and returns the exit code.
func Main(args []string, env Environment) int {
	s := &Shell{
		env: env, console: newConsole(env.Stdout, env.Stderr), commands: commandTable(),
		typed: map[int]string{},
	}
	code := s.main(args)
	if err := s.console.flush(); err != nil && code == exitOK {
		code = exitFailed
	}
	return code
}

func (s *Shell) main(args []string) int {
	if err := s.opt.parse(args); err != nil {
		s.console.errorf("%v", err)
		return exitUsage
	}
	if s.opt.help {
		s.printHelp()
		return exitOK
	}
	if err := s.opt.configure(&s.env); err != nil {
		s.console.errorf("zooid cli: %v", err)
		return exitUsage
	}
	for _, note := range s.opt.notes {
		s.console.errorf("zooid cli: %s", note)
	}
	s.console.printf("Connecting to %s\n", s.opt.server)
	if err := s.connect(s.opt.server); err != nil {
		s.console.errorf("zooid cli: %v", err)
		return exitFailed
	}
	defer s.leave()
	if s.opt.command != nil {
		s.execute(s.opt.command)
		return s.status
	}
	s.console.printf("Welcome to ZooKeeper!\n")
	if s.env.Interactive {
		s.console.printf("JLine support is enabled\n")
		s.typeLines()
	} else {
		s.console.printf("JLine support is disabled\n")
		s.readLines()
	}
	return s.status
}

// printHelp answers -h.
func (s *Shell) printHelp() {
	s.console.printf("usage: zkCli.sh [-server host:port[,host:port...][/chroot]] [-timeout ms] [-r] [-waitforconnection]" +
		" [-client-configuration file] [command]\n\n" +
		"  -server                the servers to try (" + defaultServer + ")\n" +
		"  -timeout               session timeout in ms (30000)\n" +
		"  -r                     accept servers in read-only mode\n" +
		"  -waitforconnection     try to connect for as long as the timeout before the command\n" +
		"  -client-configuration  properties file, for TLS and other settings\n\n" +
		"With a command it is carried out and the shell ends; without one it reads commands:\n\n")
	for _, c := range s.commands {
		s.console.printf("\t%s %s\n", c.name, c.syntax)
	}
}

// connect ends the present session, if any, and begins one with host.
func (s *Shell) connect(host string) error {
	if s.client != nil {
		s.hangUp()
	}
	s.host = host
	opts := append([]zk.Option{
		zk.WithSessionTimeout(s.opt.timeout),
		zk.WithEventHandler(s.event),
		zk.WithAttemptHook(s.attemptReporter()),
	}, s.opt.clientOptions...)
	if !s.opt.wait {
		// As in Apache's shell, a command does not outlive the attempts to
		// connect; interactive or not, the next one tries again.
		opts = append(opts, zk.WithFailFast())
	}
	if s.opt.loginFailed {
		s.event(zk.Event{Type: zk.EventSession, State: zk.StateAuthFailed, Zxid: -1})
	}
	client, err := zk.New(host, opts...)
	if err != nil {
		return err
	}
	s.client, s.owned = client, false
	if !s.opt.wait {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.timeout)
	defer cancel()
	if err := client.Wait(ctx); err != nil {
		s.hangUp()
		if errors.Is(err, zk.ErrAuthFailed) { // the event has said why
			return fmt.Errorf("no connection to %s: authentication failed", host)
		}
		return fmt.Errorf("no connection to %s within %d ms", host, s.opt.timeout.Milliseconds())
	}
	return nil
}

// event prints what happens to the session and to watched znodes.
func (s *Shell) event(e zk.Event) {
	if s.muted.Load() {
		return
	}
	s.console.event(e)
	if e.State == zk.StateAuthFailed && e.Err != nil {
		s.console.errorf("zooid cli: %v", e.Err)
	}
}

// hangUp ends the session and lets its last event be printed.
func (s *Shell) hangUp() {
	_ = s.client.Close() // always nil
	s.settle()
}

// settle waits until all events that have arrived are printed.
func (s *Shell) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.client.Drain(ctx) // later events are printed when they are
}

// leave ends the shell without a word. A session that owns ephemeral znodes is
// left to its timeout, so that what a one-shot create made can be seen.
func (s *Shell) leave() {
	if s.client == nil {
		return
	}
	s.settle()
	s.muted.Store(true)
	if s.owned {
		s.client.Detach()
	} else {
		_ = s.client.Close() // always nil
	}
}

// alive reports whether the session may still be used.
func (s *Shell) alive() bool { return s.client != nil && !s.client.State().Over() }

// executeLine runs one line that was typed.
func (s *Shell) executeLine(line string) {
	words := splitLine(line)
	if len(words) == 0 {
		return
	}
	s.typed[s.count] = line
	s.execute(words)
	s.count++
}

// execute runs one command and keeps its exit code.
func (s *Shell) execute(words []string) {
	err := s.dispatch(words)
	if s.client != nil {
		s.settle()
	}
	switch {
	case err == nil:
		if !s.quitting {
			s.status = exitOK
		}
	case errors.Is(err, errNotFound):
		s.status = exitNotFound
		s.console.errorf("Command not found: %v", err)
	default:
		s.status = exitFailed
		s.console.errorf("%s", errorText(err))
	}
	if s.console.flush() != nil {
		s.status, s.quitting = exitFailed, true // nobody reads any more
	}
}

// errNotFound is the error of a command that does not exist.
var errNotFound = complaint("Command not found")

type notFoundError struct{ name string }

func (e notFoundError) Error() string { return "Command not found " + e.name }
func (e notFoundError) Unwrap() error { return errNotFound }

// dispatch finds the command and runs it.
func (s *Shell) dispatch(words []string) error {
	cmd := s.find(words[0])
	if cmd == nil {
		s.printUsage(s.console)
		return notFoundError{words[0]}
	}
	if cmd.local != nil {
		if err := cmd.local(s, words); err != nil || s.quitting {
			return err
		}
	}
	if !s.alive() {
		s.console.printf("Not connected\n")
		return nil
	}
	if cmd.run == nil {
		return nil
	}
	a, err := parseOptions(cmd, words)
	if err != nil {
		return err
	}
	if len(a.words) < cmd.words {
		return cmd.usage()
	}
	return s.interruptible(func(ctx context.Context) error { return cmd.run(ctx, s, a) })
}

// errInterrupted is the error of a command that Ctrl-C ended.
const errInterrupted = complaint("Interrupted")

// interruptible runs a command that Ctrl-C ends, without ending the shell.
func (s *Shell) interruptible(run func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if s.interrupts != nil {
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-s.interrupts:
				cancel(errInterrupted)
			case <-done:
			}
		}()
	}
	err := run(ctx)
	if err != nil && context.Cause(ctx) == errInterrupted {
		return errInterrupted
	}
	return err
}
