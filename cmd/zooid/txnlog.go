package main

import (
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"zooid/internal/storage"
	"zooid/internal/storage/inspect"
	"zooid/internal/vfs"
)

// newTxnLogCommand is the command behind zkTxnLogToolkit.sh.
func newTxnLogCommand() *cobra.Command {
	c := toolCommand("txnlog [-dhrvcy] FILE [-z ZXID]", "Print, repair or cut a transaction log file", inspect.TxnLog)
	c.Long = `Print, repair or cut a transaction log file.

  -d            print every transaction (what it does without options)
  -r [-y] [-v]  write FILE.fixed with right checksums, asking before each one
                that is wrong (-y: without asking; -v: print every transaction)
  -c -z ZXID    write FILE.choppedZXID, which ends with that transaction

FILE itself is never changed.`
	return c
}

// toolCommand makes a command of one of the tools that look into files. The
// tools take their arguments apart themselves, by the rules of Apache's.
func toolCommand(use, short string, tool inspect.Tool) *cobra.Command {
	return &cobra.Command{
		Use:                use,
		Short:              short,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			env := &inspect.Env{
				FS: vfs.OS, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
				Now: time.Now, Zone: time.Local,
				// Whatever a server has written may be looked at.
				Limits: storage.Limits{MaxField: math.MaxInt32},
			}
			if code := tool(env, args); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
}
