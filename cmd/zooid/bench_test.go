package main

import (
	"bytes"
	"strings"
	"testing"
)

// A wrong command line is refused before anything is dialled, with exit code 2
// where the words are wrong.
func TestBenchCommandLine(t *testing.T) {
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "takes one workload", 2},
		{"read write", "takes one workload", 2},
		{"read --read-share 0.5", "--read-share is for the workload mixed", 2},
		{"nap", `unknown workload "nap"`, 2},
		{"read --depth 0", "--depth 0", 2},
		{"read --servers 127.0.0.1:1 --ops 1 -q", "does a server listen there?", 1},
	} {
		cmd := newBenchCommand()
		cmd.SetArgs(strings.Fields(c.args))
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetErr(&bytes.Buffer{})
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.Execute()
		if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != c.code {
			t.Errorf("bench %s: %v (exit %d), want %q (exit %d)", c.args, err, exitCode(err), c.want, c.code)
		}
	}
}

func TestBenchHelpNamesTheWorkloads(t *testing.T) {
	cmd := newBenchCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"read ", "mixed", "watch", "churn", "fill", "idle", "clean", "--rate", "--json"} {
		if !strings.Contains(out.String(), w) {
			t.Errorf("the help lacks %q:\n%s", w, out.String())
		}
	}
}
