package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"zooid/internal/admin"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print Zooid's version and the level of ZooKeeper that it speaks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := admin.CurrentBuild()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "zooid %s (commit %s, %s), speaks ZooKeeper %s\n",
				admin.Version, b.Commit, b.Time.UTC().Format("2006-01-02 15:04 UTC"), admin.SpokenVersion)
			return err
		},
	}
}
