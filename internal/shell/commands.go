package shell

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
)

// command is one row of the table of commands.
type command struct {
	name    string
	syntax  string // behind the name, in the usage
	options []option
	// exclusive holds the letters of options of which only one may be given,
	// and oneRequired says that one must be.
	exclusive   string
	oneRequired bool
	explains    bool                                                    // the usage describes the options
	words       int                                                     // least number of words, the command itself included
	local       func(s *Shell, line []string) error                     // needs no connection
	run         func(ctx context.Context, s *Shell, a *arguments) error // needs one
}

// commandTable lists all commands by name.
func commandTable() []command {
	table := []command{
		{name: "connect", syntax: "host:port", local: connectCommand},
		{name: "history", local: historyCommand},
		{name: "redo", syntax: "cmdno", local: redoCommand},
		{name: "printwatches", syntax: "on|off", local: printWatchesCommand},
		{name: "quit", local: quitCommand},
		{name: "close", run: closeCommand},
		{name: "create", syntax: "[-s] [-e] [-c] [-t ttl] path [data] [acl]", words: 2, run: createZnode,
			options: []option{{name: "e"}, {name: "s"}, {name: "c"}, {name: "t", value: true}}},
		{name: "delete", syntax: "[-v version] path", words: 2, run: deleteZnode,
			options: []option{{name: "v", value: true}}},
		{name: "deleteall", syntax: "path [-b batch size]", words: 2, run: deleteTree,
			options: []option{{name: "b", value: true}}},
		{name: "set", syntax: "path data [-s] [-v version] [-b]", words: 3, run: setData, explains: true,
			options: []option{
				{name: "b", about: "Supply data in base64 format"},
				{name: "s", about: "Print znode stats additionally"},
				{name: "v", value: true, about: "Set with an expected version"}}},
		{name: "get", syntax: "[-s] [-w] [-b] [-x] path", words: 2, run: getData, explains: true,
			options: []option{
				{name: "b", about: "Output data in base64 format"},
				{name: "s", about: "Print znode stats additionally"},
				{name: "w", about: "Watch for changes on the znode"},
				{name: "x", about: "Output data in hexdump format"}}},
		{name: "ls", syntax: "[-s] [-w] [-R] path", run: listChildren,
			options: []option{
				{name: "?", about: "help", hidden: true},
				{name: "R", about: "recurse"}, {name: "s", about: "stat"}, {name: "w", about: "watch"}}},
		{name: "stat", syntax: "[-w] path", words: 2, run: showStat, options: []option{{name: "w"}}},
		{name: "sync", syntax: "path", words: 2, run: syncPath},
		{name: "getAcl", syntax: "[-s] path", words: 2, run: getACL, options: []option{{name: "s"}}},
		{name: "setAcl", syntax: "[-s] [-v version] [-R] path acl", words: 3, run: setACL,
			options: []option{{name: "s"}, {name: "v", value: true}, {name: "R"}}},
		{name: "addauth", syntax: "scheme auth", words: 2, run: addAuth},
		{name: "whoami", run: whoAmI},
		{name: "setquota", syntax: "-n|-b|-N|-B val path", words: 2, run: setQuota, exclusive: "nbNB", oneRequired: true,
			options: []option{
				{name: "n", value: true, about: "num soft quota"}, {name: "b", value: true, about: "bytes soft quota"},
				{name: "N", value: true, about: "num hard quota"}, {name: "B", value: true, about: "bytes hard quota"}}},
		{name: "delquota", syntax: "[-n|-b|-N|-B] path", words: 2, run: deleteQuota, exclusive: "nbNB",
			options: []option{{name: "n"}, {name: "b"}, {name: "N"}, {name: "B"}}},
		{name: "listquota", syntax: "path", words: 2, run: listQuota},
		{name: "getEphemerals", syntax: "path", run: getEphemerals},
		{name: "getAllChildrenNumber", syntax: "path", words: 2, run: getAllChildrenNumber},
		{name: "addWatch", syntax: "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
			words: 2, run: addWatch, options: []option{{name: "m", value: true}}},
		{name: "removewatches", syntax: "path [-c|-d|-a] [-l]", words: 2, run: removeWatches,
			options: []option{{name: "c"}, {name: "d"}, {name: "p"}, {name: "r"}, {name: "a"}, {name: "l"}}},
		{name: "config", syntax: "[-c] [-w] [-s]", run: showConfig, options: []option{{name: "s"}, {name: "w"}, {name: "c"}}},
		{name: "reconfig", syntax: "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]]" +
			" | [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]", run: reconfig,
			options: []option{{name: "s"}, {name: "v", value: true}, {name: "file", value: true},
				{name: "members", value: true}, {name: "add", value: true}, {name: "remove", value: true}}},
		{name: "version", run: showVersion},
	}
	sort.Slice(table, func(i, j int) bool { return table[i].name < table[j].name })
	return table
}

func (c *command) option(name string) *option {
	for i := range c.options {
		if c.options[i].name == name {
			return &c.options[i]
		}
	}
	return nil
}

// choices lists the options of which one is required.
func (c *command) choices() string {
	var list []string
	for _, o := range c.options {
		list = append(list, "-"+o.name+" "+o.about)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// usage is the error that shows how the command is used.
func (c *command) usage() error {
	text := c.name + " " + c.syntax
	if c.explains {
		text += "\n" + c.optionHelp()
	}
	return complain("%s", text)
}

// optionHelp describes the options in two columns.
func (c *command) optionHelp() string {
	var left []string
	width := 0
	for _, o := range c.options {
		l := " -" + o.name
		if o.value {
			l += " <arg>"
		}
		left = append(left, l)
		width = max(width, len(l))
	}
	var b strings.Builder
	for i, o := range c.options {
		fmt.Fprintf(&b, "%-*s   %s\n", width, left[i], o.about)
	}
	return b.String()
}

// find returns the command of a name, or nil.
func (s *Shell) find(name string) *command {
	for i := range s.commands {
		if s.commands[i].name == name {
			return &s.commands[i]
		}
	}
	return nil
}

// printUsage writes the list of all commands.
func (s *Shell) printUsage(w io.Writer) {
	fmt.Fprintln(w, "ZooKeeper -server host:port -client-configuration properties-file cmd args")
	for _, c := range s.commands {
		fmt.Fprintf(w, "\t%s %s\n", c.name, c.syntax)
	}
}
