package main

import (
	"os"

	"github.com/spf13/cobra"

	"zooid/internal/admin"
	"zooid/internal/config"
	"zooid/internal/shell"
)

// newCLICommand is zkCli.sh. Its options are those of Apache's shell, with one
// hyphen, so that they are passed on as they stand.
func newCLICommand() *cobra.Command {
	return &cobra.Command{
		Use:                "cli [-server host:port[,host:port...][/chroot]] [-timeout ms] [-r] [-waitforconnection] [command]",
		Short:              "The command line shell (zkCli.sh): interactive, or one command",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			home, err := os.UserHomeDir()
			if err != nil {
				home = "" // without a home the history is not kept
			}
			code := shell.Main(args, shell.Environment{
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				Interactive: shell.IsTerminal(),
				HistoryDir:  home,
				Version:     admin.ZooKeeperVersion(),
				ReadFile:    os.ReadFile,
				Properties:  readProperties,
				Membership:  readMembership,
			})
			if code == 0 {
				return nil
			}
			return &exitError{code: code}
		},
	}
}

func readProperties(text []byte) ([][2]string, error) {
	entries, err := config.ReadProperties(text)
	if err != nil {
		return nil, err
	}
	list := make([][2]string, len(entries))
	for i, e := range entries {
		list[i] = [2]string{e.Key, e.Value}
	}
	return list, nil
}

func readMembership(name string, text []byte) (string, error) {
	m, _, err := config.ParseDynamic(name, text)
	if err != nil {
		return "", err
	}
	return m.Text(), nil
}
