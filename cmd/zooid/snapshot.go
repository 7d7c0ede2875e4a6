package main

import (
	"github.com/spf13/cobra"

	"zooid/internal/storage/inspect"
)

// newSnapshotCommand holds the commands behind zkSnapShotToolkit.sh (dump),
// zkSnapshotComparer.sh (compare) and zkSnapshotRecursiveSummaryToolkit.sh
// (summary).
func newSnapshotCommand() *cobra.Command {
	c := &cobra.Command{Use: "snapshot", Short: "Print, compare or sum up snapshot files"}
	c.AddCommand(
		toolCommand("dump [-d|-json] FILE", "Print the znodes and sessions of a snapshot (-d: with data, -json: for ncdu)", inspect.Snapshot),
		toolCommand("compare -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i]", "Print the differences between two snapshots", inspect.Compare),
		toolCommand("summary FILE START DEPTH", "Print how many znodes and bytes are below each znode", inspect.Summary),
	)
	return c
}
