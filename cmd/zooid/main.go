// Command zooid is the one binary of the project: the server, the command
// line shell and the tools, each a subcommand in a file of its own.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "zooid",
		Short:         "A coordination service that takes the place of Apache ZooKeeper",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(subcommands()...)
	if err := root.Execute(); err != nil {
		if msg := err.Error(); msg != "" {
			root.PrintErrln("zooid:", msg)
		}
		os.Exit(exitCode(err))
	}
}

// subcommands lists the commands in the order in which help shows them.
func subcommands() []*cobra.Command {
	return []*cobra.Command{
		newServerCommand(),
		newCLICommand(),
		newVersionCommand(),
		newDaemonCommand(),
		newStatusCommand(),
		newMemberCommand(),
		newInitializeCommand(),
		newCheckConfigCommand(),
		newTxnLogCommand(),
		newSnapshotCommand(),
		newCleanupCommand(),
		newBenchCommand(),
	}
}

// exitError lets a command choose the exit code of the process, as the
// scripts of Apache ZooKeeper document them (1 unexpected, 2 bad arguments or
// configuration, 3 data directory, 127 unknown shell command, ...).
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitCode(err error) int {
	if e, ok := err.(*exitError); ok {
		return e.code
	}
	return 1
}
