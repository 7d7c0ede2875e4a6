package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"zooid/internal/config"
)

// newCheckConfigCommand explains a zoo.cfg without starting a server.
func newCheckConfigCommand() *cobra.Command {
	var define []string
	var strict, asJSON, fileOnly bool
	cmd := &cobra.Command{
		Use:   "check-config FILE",
		Short: "Explain what a server would do with a zoo.cfg, and what is risky in it",
		Long: `Reads a zoo.cfg as the server does, together with myid and the dynamic
configuration file, and says what the server would do: its mode, ports,
directories, timeouts, snapshots, purge and limits. It lists what the server
would refuse, and what it would accept but you may come to regret, with advice.
The -D properties of SERVER_JVMFLAGS and JVMFLAGS count, as for the server.

It also looks at this machine, as the user who runs it: whether the directories
can be written, whether the disk has room, whether the port is free. Nothing is
changed, and no host name is resolved but clientPortAddress.

The exit code is 0 when a server would start, 1 with --strict when there are
risks, and 2 when a server would refuse to start.`,
		Example: `  zooid check-config /etc/zookeeper/zoo.cfg
  zooid check-config --strict --file-only conf/zoo.cfg   # in a build, away from the server
  zooid check-config --json zoo.cfg | jq '.risks[].key'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitError{exitBadConfig, errors.New("check-config takes one configuration file; see: zooid check-config --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			props, err := properties(define)
			if err != nil {
				return &exitError{exitBadConfig, err}
			}
			check, err := checkConfig(args[0], props, !fileOnly)
			if err != nil {
				return &exitError{exitBadConfig, err}
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if err := enc.Encode(check); err != nil {
					return err
				}
			} else if _, err := cmd.OutOrStdout().Write(check.text()); err != nil {
				return err
			}
			return check.exit(strict)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitBadConfig, err} })
	f := cmd.Flags()
	f.StringArrayVarP(&define, "define", "D", nil, "set a Java system property, as in -Dzookeeper.snapCount=1000")
	f.BoolVar(&strict, "strict", false, "exit with 1 when there are risks")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&fileOnly, "file-only", false, "leave out what depends on this machine: permissions, disks, ports")
	return cmd
}

// A configCheck is what check-config found; it is printed as JSON as it is.
type configCheck struct {
	File   string `json:"file"`
	Mode   string `json:"mode"`
	Starts bool   `json:"starts"`
	// Server is what the server would do; only part of it is right when there
	// are refusals.
	Server   serverSummary `json:"server"`
	Refusals []finding     `json:"refusals"`
	Risks    []finding     `json:"risks"`
	Notes    []finding     `json:"notes"`
}

// A finding is one thing to say about the file, and where.
type finding struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// checkConfig reads the file and all that belongs to it. An error means that
// the file itself cannot be read; all else is a finding.
func checkConfig(name string, props []config.Property, look bool) (*configCheck, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	check := &configCheck{File: name, Refusals: []finding{}, Risks: []finding{}, Notes: []finding{}}
	cfg, warnings, err := config.Parse(name, text, props)
	check.warn(warnings)
	check.refuse(err)
	check.complete(cfg)
	check.warn(cfg.Risks())
	if look {
		m := machine{cfg: cfg}
		m.look()
		check.Refusals = append(check.Refusals, m.refusals...)
		check.warn(m.warnings)
	}
	check.Mode = cfg.Mode().String()
	check.Starts = len(check.Refusals) == 0
	check.Server = summarize(cfg)
	return check, nil
}

// complete adds myid and the dynamic file, as far as they can be read.
func (c *configCheck) complete(cfg *config.Config) {
	id := config.NoID
	if cfg.DataDir != "" {
		name := filepath.Join(cfg.DataDir, "myid")
		text, err := os.ReadFile(name)
		switch {
		case err == nil:
			if id, err = config.ParseMyID(name, text); err != nil {
				c.refuse(err)
			}
		case !errors.Is(err, fs.ErrNotExist):
			c.refuse(fmt.Errorf("cannot read the server id: %w", err))
		}
	}
	var members *config.Membership
	if cfg.DynamicFile != "" {
		text, err := os.ReadFile(cfg.DynamicFile)
		if err != nil {
			c.refuse(fmt.Errorf("cannot read dynamicConfigFile: %w", err))
			members = &config.Membership{File: cfg.DynamicFile}
		} else {
			var warnings []config.Warning
			members, warnings, err = config.ParseDynamic(cfg.DynamicFile, text)
			c.warn(warnings)
			c.refuse(err)
		}
	}
	warnings, err := cfg.Complete(id, members)
	c.warn(warnings)
	c.refuse(err)
}

// refuse lists an error, or each of config.Errors.
func (c *configCheck) refuse(err error) {
	var all config.Errors
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, e := range all {
			c.Refusals = append(c.Refusals, finding{File: e.File, Line: e.Line, Key: e.Key, Value: e.Value, Text: e.Text})
		}
	default:
		c.Refusals = append(c.Refusals, finding{Text: err.Error()})
	}
}

func (c *configCheck) warn(warnings []config.Warning) {
	for _, w := range warnings {
		f := finding{File: w.File, Line: w.Line, Key: w.Key, Text: w.Text, Advice: w.Advice}
		if w.Note {
			c.Notes = append(c.Notes, f)
		} else {
			c.Risks = append(c.Risks, f)
		}
	}
}

// exit is the outcome as the exit code of the command; the output has already
// said why, so the error says nothing.
func (c *configCheck) exit(strict bool) error {
	switch {
	case !c.Starts:
		return &exitError{code: exitBadConfig}
	case strict && len(c.Risks) > 0:
		return &exitError{code: 1}
	default:
		return nil
	}
}
