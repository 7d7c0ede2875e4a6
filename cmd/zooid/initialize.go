package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// newInitializeCommand makes empty data directories for a new server, as
// zkServer-initialize.sh of Apache ZooKeeper does. All it says, refusals too,
// goes to stdout, as there; a refusal exits with 1.
func newInitializeCommand() *cobra.Command {
	in := &initializer{}
	cmd := &cobra.Command{
		Use:   "initialize --configfile=FILE",
		Short: "Make empty data directories for a new server",
		Long: `Make the version-2 directories below dataDir and dataLogDir of a configuration
file, write myid, and leave the mark that lets a server start without a snapshot.
Directories that hold data are refused unless --force says to throw it away.`,
		Example: "  zooid initialize --configfile=/etc/zookeeper/zoo.cfg --myid=1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return in.usage(cmd.OutOrStdout(), "Unknown option: "+args[0])
			}
			return in.run(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&in.configFile, "configfile", "zoo.cfg", "ZooKeeper config file")
	cmd.Flags().StringVar(&in.myid, "myid", "", "set the myid to be used, if any (1-255)")
	cmd.Flags().BoolVar(&in.force, "force", false, "force creation of the data/txnlog dirs: what they hold is lost")
	cmd.Flags().StringVar(&in.program, "program", "zooid initialize", "name shown in the usage text")
	_ = cmd.Flags().MarkHidden("program")
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if !cmd.Flags().Changed("program") {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", cmd.Long, cmd.UsageString())
			return
		}
		_ = in.usage(cmd.OutOrStdout(), "")
	})
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		words := strings.Fields(err.Error()) // "unknown flag: --x"
		return in.usage(cmd.OutOrStdout(), "Unknown option: "+words[len(words)-1])
	})
	return cmd
}

// initializer holds the arguments of one run.
type initializer struct {
	configFile, myid, program string
	force                     bool
}

// usage prints the usage text of Apache's script after a complaint.
func (in *initializer) usage(out io.Writer, complaint string) error {
	if complaint != "" {
		fmt.Fprintln(out, complaint)
	}
	fmt.Fprintf(out, "usage: %s <parameters>\n  Optional parameters:\n", in.program)
	for _, row := range [][2]string{
		{"-h", "Display this message"},
		{"--help", "Display this message"},
		{"--configfile=" + in.configFile, "ZooKeeper config file"},
		{"--myid=#", "Set the myid to be used, if any (1-255)"},
		{"--force", "Force creation of the data/txnlog dirs"},
	} {
		fmt.Fprintf(out, "     %-53s %s\n", row[0], row[1])
	}
	return &exitError{code: 1}
}

func (in *initializer) run(out io.Writer) error {
	refuse := func(format string, args ...any) error {
		fmt.Fprintf(out, format+"\n", args...)
		return &exitError{code: 1}
	}
	if _, err := os.Stat(in.configFile); err != nil {
		return refuse("Unable to find config file at %s", in.configFile)
	}
	raw, err := readRawConfig(in.configFile)
	if err != nil {
		return err
	}
	data, logs := raw.get("dataDir"), raw.get("dataLogDir")
	if data == "" {
		return refuse("Unable to determine dataDir from %s", in.configFile)
	}
	if _, err := strconv.ParseUint(in.myid, 10, 63); in.myid != "" && err != nil {
		return refuse("myid must be a number (1-255), not %q", in.myid)
	}
	if in.force {
		fmt.Fprintln(out, "Force enabled, data/txnlog directories will be re-initialized")
	} else {
		if isDir(filepath.Join(data, "version-2")) {
			return refuse("ZooKeeper data directory already exists at %s (or use --force to force re-initialization)", data)
		}
		if logs != "" && isDir(filepath.Join(logs, "version-2")) {
			return refuse("ZooKeeper txnlog directory already exists at %s (or use --force to force re-initialization)", logs)
		}
	}
	for _, dir := range []string{data, logs} {
		if dir == "" {
			continue
		}
		if err := emptyDataDir(dir); err != nil {
			return err
		}
	}
	if in.myid != "" {
		fmt.Fprintf(out, "Using myid of %s\n", in.myid)
		if err := os.WriteFile(filepath.Join(data, "myid"), []byte(in.myid+"\n"), 0o644); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "No myid provided, be sure to specify it in %s/myid if using non-standalone\n", data)
	}
	return os.WriteFile(filepath.Join(data, "initialize"), nil, 0o644)
}

// emptyDataDir leaves dir, which may be a mount point with permissions of its
// own, and replaces what ZooKeeper keeps in it.
func emptyDataDir(dir string) error {
	for _, name := range []string{"myid", "version-2"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, "version-2"), 0o755)
}
