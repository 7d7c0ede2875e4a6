// Package shell is ZooKeeper's command line: the interactive shell and the
// one-shot commands of zkCli.sh, with the commands, options, texts and exit
// codes of Apache's ZooKeeperMain.
//
// One table (commands.go) says what commands there are; dispatch, the list of
// usages and completion are all read from it. The package stands between a
// person, or a script, and a client of package zk; program zooid calls it with
// the arguments as they were typed. Where Apache's shell dies of an exception
// or says nothing, this one says what is wrong and goes on. It must never
// print what the commands of Apache's would not print to standard output,
// since programs read that, and never hang for ever.
package shell
