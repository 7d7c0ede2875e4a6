package config_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"zooid/internal/config"
)

// TestGolden runs the files of testdata/golden. Their commands are
//
//	zoo.cfg [myid=N] [risks] [fields=(A,B)]   parse the input as a zoo.cfg and complete it
//	flags                                     set -D flags for the next zoo.cfg
//	dynamic name=FILE                         set the dynamic file for the next zoo.cfg
//	args                                      parse the input as port dataDir ...
//	myid                                      parse the input as a myid file
//	jvmflags                                  split the input as JVMFLAGS
//
// and their output is all warnings, refusals and, where asked for, fields.
// go test ./internal/config -rewrite writes the output anew.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		g := &golden{}
		datadriven.RunTest(t, path, g.run)
	})
}

type golden struct {
	flags   []config.Property
	dynamic *config.Membership
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	switch d.Cmd {
	case "zoo.cfg":
		c, warnings, err := config.Parse("zoo.cfg", []byte(d.Input), g.flags)
		g.show(t, &out, d, c, warnings, err)
		g.flags = nil
	case "args":
		c, warnings, err := config.ParseArgs(strings.Fields(d.Input), g.flags)
		g.show(t, &out, d, c, warnings, err)
	case "flags":
		properties, others, err := config.SplitJVMFlags(d.Input)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		g.flags = properties
		return strconv.Itoa(len(properties)) + " properties, others: " + strings.Join(others, " ") + "\n"
	case "dynamic":
		var name string
		d.ScanArgs(t, "name", &name)
		m, warnings, err := config.ParseDynamic(name, []byte(d.Input))
		g.dynamic = m
		findings(&out, warnings, err)
		fmt.Fprintf(&out, "%s\n", m.Text())
	case "myid":
		id, err := config.ParseMyID("/data/myid", []byte(d.Input))
		findings(&out, nil, err)
		fmt.Fprintf(&out, "%d\n", id)
	case "jvmflags":
		properties, others, err := config.SplitJVMFlags(d.Input)
		fmt.Fprintf(&out, "%q\n%q\n%v\n", properties, others, err)
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return out.String()
}

func (g *golden) show(t *testing.T, out *strings.Builder, d *datadriven.TestData, c *config.Config, warnings []config.Warning, err error) {
	findings(out, warnings, err)
	id := config.NoID
	if d.HasArg("myid") {
		d.ScanArgs(t, "myid", &id)
	}
	var dynamic *config.Membership
	if c.DynamicFile != "" {
		dynamic = g.dynamic
	}
	warnings, completeErr := c.Complete(id, dynamic)
	findings(out, warnings, completeErr)
	if d.HasArg("risks") {
		for _, w := range c.Risks() {
			fmt.Fprintf(out, "risk: %s\n", w)
		}
	}
	if d.HasArg("fields") {
		for _, arg := range d.CmdArgs {
			if arg.Key == "fields" {
				for _, name := range arg.Vals {
					fmt.Fprintf(out, "%s = %v\n", name, field(t, c, name))
				}
			}
		}
	}
	if err == nil && completeErr == nil {
		fmt.Fprintf(out, "starts %s\n", c.Mode())
	} else {
		fmt.Fprintf(out, "refused\n")
	}
}

func findings(out *strings.Builder, warnings []config.Warning, err error) {
	for _, w := range warnings {
		kind := "warning"
		if w.Note {
			kind = "note"
		}
		fmt.Fprintf(out, "%s: %s\n", kind, w)
	}
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			fmt.Fprintf(out, "refusal: %s\n", line)
		}
	}
}
