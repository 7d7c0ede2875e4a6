// Package config turns the text of a zoo.cfg, a dynamic configuration file, a
// myid file and a list of -D properties into one typed Config.
//
// It stands before everything else: cmd/zooid reads the files and calls it
// once, and hands the Config to internal/node. One table, the Option rows of
// the options_*.go files, says for every option of ZooKeeper what it is called,
// what it may be, what it is when it is not set, and whether this server
// honours it; the parser, the checks, the defaults and docs/configuration.md
// all come from those rows.
//
// The rules are those of Apache ZooKeeper 3.9: the file is a java.util.Properties
// file, a key that is not one of the typed keys becomes the system property
// zookeeper.<key>, and what the file says wins over a -D of the same name.
// Where Java quietly puts a default in place of a value that it cannot read,
// this package refuses the value and names file, line, key, value and what is
// allowed.
//
// The package is pure. It never opens a file, looks at the clock, or resolves
// a host name: it is given bytes and answers with values, so that the server,
// check-config and the tests see exactly the same.
package config
