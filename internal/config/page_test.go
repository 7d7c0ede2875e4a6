package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"zooid/internal/config"
)

// pageFile is the page of the manual that is written from the option table.
const pageFile = "../../docs/configuration.md"

// TestPage fails when docs/configuration.md is not what the option table says.
// go test ./internal/config -rewrite writes it anew.
func TestPage(t *testing.T) {
	want := page()
	if rewriting() {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is stale; write it anew with: go test ./internal/config -rewrite", pageFile)
	}
}

// rewriting says whether -rewrite, the flag of datadriven, is set.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

const pageHead = `# Configuration

This page is written from the option table of internal/config by
` + "`go test ./internal/config -rewrite`" + `; change the table, not the page.

Zooid reads the zoo.cfg of Apache ZooKeeper as it is. Before a change goes live,

    zooid check-config zoo.cfg

says what a server would do with the file, what it would refuse, and which risks it holds;
exit code 0 means fine, 2 that a server would refuse to start, and with ` + "`--strict`" + ` 1 that there are risks.

## The file

* The file is a java.util.Properties file: ` + "`key=value`" + `, with ` + "`:`" + ` or a blank in place of ` + "`=`" + ` if you like; lines
  that start with ` + "`#` or `!`" + ` are comments; a backslash at the end continues a line; ` + "`\\uXXXX`, `\\t` and `\\\\`" + ` are escapes.
  Values keep their bytes, so UTF-8 paths and comments are fine.
* Blanks around keys and values do not count. Of a key that is given twice the last counts, with a warning.
* A *file key* (marked F below) is read from the file only. Every other key K of the file becomes the Java system property
  ` + "`zookeeper.K`" + `, which can also be given as ` + "`-Dzookeeper.K=value`" + ` in SERVER_JVMFLAGS or JVMFLAGS. The file wins.
* Options marked D are called the same as a property, without the prefix. ZooKeeper reads them as a -D only; here the file
  may hold them too, and the -D wins. Options marked P are read as a property only.
* An unknown key is warned about, with the key that was most likely meant.
* A wrong value is refused with file, line, key, value and what is allowed. ZooKeeper does so for file keys and quietly takes
  the default for a property that it cannot read; an empty property is still taken for one that is not set.
* Numbers are decimal. In properties 0x and # start a hexadecimal and 0 an octal number, as in Java.
* Directories: ` + "`dataDir/myid`" + ` holds the number of this server. Without server lines it is not needed.

## Standalone or ensemble

A server runs in an ensemble when there are at least two participants, or one and ` + "`standaloneEnabled=false`" + `; otherwise it runs
standalone. One server line alone is fine: host and quorum ports are ignored, the client port behind its ` + "`;`" + ` counts if myid bears its
number. A member of an ensemble needs myid, and a server line with its number.

## The other form

In place of a file the server takes the arguments ` + "`PORT DATADIR [TICKTIME [MAXCLIENTCNXNS]]`" + `, as ZooKeeperServerMain does.
Without the last one the connections of a client address are not limited.

## Status

| status | meaning |
|---|---|
| honoured | does what it does in ZooKeeper |
| ensemble | is read and checked; matters to members of an ensemble only |
| no effect | is accepted and changes nothing, for the reason given |
| not yet | belongs to a part that this release lacks; it is refused when it asks for that part, and accepted otherwise |
`

// page renders the option table.
func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, s := range config.Sections() {
		fmt.Fprintf(&b, "\n## %s\n\n| option | type | default | since | status | meaning |\n|---|---|---|---|---|---|\n", s.Title)
		for i := range s.Options {
			b.WriteString(row(&s.Options[i]))
		}
	}
	b.WriteString("\n## Names that nothing reads\n\nSome of these stand in Apache's documentation. They are warned about, with the real name.\n\n| written | real |\n|---|---|\n")
	for _, m := range config.Misnamed() {
		fmt.Fprintf(&b, "| %s | %s |\n", m.Name, m.Value)
	}
	return b.String()
}

func row(o *config.Option) string {
	mark := ""
	switch {
	case o.Typed:
		mark = " (F)"
	case o.OnlyProperty:
		mark = " (P)"
	case o.Plain:
		mark = " (D)"
	}
	name := o.Key
	if o.OnlyProperty {
		name = o.Property()
	}
	kind := o.Type.String()
	switch {
	case o.Type == config.Enum:
		kind = strings.Join(o.Words, ", ")
	case o.Unit != "":
		kind += ", " + o.Unit
	}
	if r := o.Range; r.Set && o.Type != config.Port {
		kind += ", " + r.String()
	}
	status := o.Status.String()
	if o.Why != "" {
		status += ": " + o.Why
	}
	value := o.Default
	if value == "" {
		value = "(empty)"
	}
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	return fmt.Sprintf("| %s%s | %s | %s | %s | %s | %s |\n", name, mark, cell(kind), cell(value), o.Since, cell(status), cell(o.Doc))
}
