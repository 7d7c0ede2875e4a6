package main

import (
	"github.com/spf13/cobra"

	"zooid/internal/storage/inspect"
)

// newCleanupCommand is the command behind zkCleanup.sh.
func newCleanupCommand() *cobra.Command {
	return toolCommand("cleanup LOGDIR [SNAPDIR] -n COUNT", "Delete old snapshots and transaction logs, keeping the newest COUNT", inspect.Purge)
}
