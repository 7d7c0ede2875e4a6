// Package inspect is the logic of the tools that look into the files of a
// server: dump, repair and cut a transaction log, print, compare and sum up
// snapshots, and delete old files.
//
// It stands on package storage; the subcommands of cmd/zooid call it and the
// scripts of bin/ call those. Arguments, output and exit codes are those of
// Apache's classes (TxnLogToolkit, SnapshotFormatter, SnapshotComparer,
// SnapshotRecursiveSummary, PurgeTxnLog), so that what parses their output
// goes on working; only where those print a stack trace there is a sentence.
// It must never change a file that it was asked to look at.
package inspect

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"zooid/internal/storage"
	"zooid/internal/vfs"
)

// The exit codes of the tools (ExitCode).
const (
	exitOK         = 0
	exitUnexpected = 1
	exitInvocation = 2
)

// Env is what a tool works with.
type Env struct {
	FS     vfs.FS
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Now    func() time.Time
	Zone   *time.Location // that dates are shown in
	Limits storage.Limits
}

// Tool runs one of the tools with the arguments of its command line and
// returns the exit code.
type Tool func(env *Env, args []string) int

// output collects what a tool prints; a failed write ends nothing and is
// found at the end, as the reader of a pipe may go away at any time.
type output struct{ *bufio.Writer }

func (env *Env) output() output { return output{bufio.NewWriterSize(env.Out, 64<<10)} }

func (o output) printf(format string, args ...any) { fmt.Fprintf(o.Writer, format, args...) }

func (o output) line(s string) {
	o.WriteString(s)
	o.WriteByte('\n')
}

// show lets be seen what has been printed so far, before a question or before
// a line on the error stream. A failure stays in the Writer for end to find.
func (o output) show() { _ = o.Flush() }

// end prints what is left and returns the exit code of a tool that came to err.
// Output that is not whole is a failure, however well all else went.
func (env *Env) end(out output, err error) int {
	if werr := out.Flush(); err == nil {
		err = werr
	}
	if err != nil {
		return env.fail(err)
	}
	return exitOK
}

// complain prints to the error stream.
func (env *Env) complain(format string, args ...any) {
	fmt.Fprintf(env.Err, format+"\n", args...)
}

// fail prints an error that Apache's tool would have died of.
func (env *Env) fail(err error) int {
	env.complain("%v", err)
	return exitUnexpected
}

// The forms in which Java shows a date: that of DateFormat in its SHORT and
// LONG, and its MEDIUM, style for the English language, and Date.toString.
const (
	dateOfTxn  = "1/2/06, 3:04:05 PM MST"
	dateOfFile = "Jan 2, 2006, 3:04:05 PM"
	dateOfStat = "Mon Jan 02 15:04:05 MST 2006"
)

// date shows a time in milliseconds.
func (env *Env) date(ms int64, form string) string {
	return time.UnixMilli(ms).In(env.Zone).Format(form)
}
