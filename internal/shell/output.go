package shell

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"zooid/zk"
)

// console is standard output and standard error, shared by the commands and by
// the events that arrive meanwhile. Output is gathered and written when a
// command ends, and before anything goes to standard error, so that the two
// keep their order on a terminal.
type console struct {
	mu  sync.Mutex
	out *bufio.Writer
	err io.Writer
}

func newConsole(out, err io.Writer) *console {
	return &console{out: bufio.NewWriterSize(out, 32<<10), err: err}
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format, args...)
}

func (c *console) write(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.out.Write(data) // an error is kept for flush
}

func (c *console) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Flush() // an error is kept for the last flush
	fmt.Fprintf(c.err, format+"\n", args...)
}

func (c *console) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

// Write makes the console a writer to standard error, for lists.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Flush() // an error is kept for the last flush
	return c.err.Write(p)
}

// event prints an event as Apache's shell does.
func (c *console) event(e zk.Event) {
	path := e.Path
	if e.Type == zk.EventSession {
		path = "null"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "\nWATCHER::\n\nWatchedEvent state:%v type:%v path:%s zxid: %d\n", e.State, e.Type, path, e.Zxid)
	_ = c.out.Flush() // an error is kept for the last flush
}

// javaDate is the form of java.util.Date.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

func (c *console) stat(s zk.Stat) {
	date := func(ms int64) string { return time.UnixMilli(ms).Format(javaDate) }
	c.printf("cZxid = 0x%x\nctime = %s\nmZxid = 0x%x\nmtime = %s\npZxid = 0x%x\n"+
		"cversion = %d\ndataVersion = %d\naclVersion = %d\nephemeralOwner = 0x%x\ndataLength = %d\nnumChildren = %d\n",
		uint64(s.Czxid), date(s.Ctime), uint64(s.Mzxid), date(s.Mtime), uint64(s.Pzxid),
		s.Cversion, s.Version, s.Aversion, uint64(s.EphemeralOwner), s.DataLength, s.NumChildren)
}

// hexDump is the table that `get -x` prints, sixteen bytes a line.
func hexDump(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	const rule = "+--------+-------------------------------------------------+----------------+"
	var b strings.Builder
	b.WriteString("         +-------------------------------------------------+\n" +
		"         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n" + rule)
	for at := 0; at < len(data); at += 16 {
		row := data[at:min(at+16, len(data))]
		cells := strings.Repeat("   ", 16-len(row))
		text := make([]byte, 0, 16)
		pairs := make([]string, 0, 16)
		for _, x := range row {
			pairs = append(pairs, hex.EncodeToString([]byte{x}))
			if x <= 0x1f || x >= 0x7f {
				x = '.'
			}
			text = append(text, x)
		}
		fmt.Fprintf(&b, "\n|%08x| %s %s|%-16s|", at, strings.Join(pairs, " "), cells, text)
	}
	b.WriteString("\n" + rule)
	return b.String()
}

// permissions is the short form of permission bits.
func permissions(perms int32) string {
	var b strings.Builder
	for _, p := range []struct {
		bit    int32
		letter byte
	}{{zk.PermCreate, 'c'}, {zk.PermDelete, 'd'}, {zk.PermRead, 'r'}, {zk.PermWrite, 'w'}, {zk.PermAdmin, 'a'}} {
		if perms&p.bit != 0 {
			b.WriteByte(p.letter)
		}
	}
	return b.String()
}

// complaint is the text of a command that cannot be carried out, as the user
// is to read it.
type complaint string

// Error implements error.
func (c complaint) Error() string { return string(c) }

func complain(format string, args ...any) error { return complaint(fmt.Sprintf(format, args...)) }

// codeTexts are the words for refusals that Apache's shell has its own words for.
var codeTexts = map[zk.Code]string{
	zk.ErrNoNode:                  "Node does not exist: ",
	zk.ErrNoChildrenForEphemerals: "Ephemerals cannot have children: ",
	zk.ErrNodeExists:              "Node already exists: ",
	zk.ErrNotEmpty:                "Node not empty: ",
	zk.ErrNotReadOnly:             "Not a read-only call: ",
	zk.ErrInvalidACL:              "Acl is not valid : ",
	zk.ErrNoAuth:                  "Insufficient permission : ",
	zk.ErrBadArguments:            "Arguments are not valid : ",
	zk.ErrBadVersion:              "version No is not valid : ",
	zk.ErrQuotaExceeded:           "Quota has exceeded : ",
}

// errorText is what a failed command prints.
func errorText(err error) string {
	var path *zk.PathError
	if errors.As(err, &path) {
		return path.Reason
	}
	var code zk.Code
	if !errors.As(err, &code) {
		var op *zk.OpError
		if errors.As(err, &op) {
			return op.Err.Error()
		}
		return err.Error()
	}
	switch code {
	case zk.ErrReconfigInProgress:
		return "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)"
	case zk.ErrNewConfigNoQuorum:
		return "No quorum of new config is connected and up-to-date with the leader of last commmitted config" +
			" - try invoking reconfiguration after new servers are connected and synced"
	}
	where := pathOf(err)
	if text, ok := codeTexts[code]; ok {
		if where == "" && !emptyPath(err) {
			where = "null"
		}
		return text + where
	}
	return keeperText(code, where)
}

// keeperText is the message of a KeeperException.
func keeperText(code zk.Code, path string) string {
	if path == "" {
		return code.Error()
	}
	return code.Error() + " for " + path
}

// keeperMessage is the message of the KeeperException that stands for err.
func keeperMessage(err error) string {
	var code zk.Code
	if errors.As(err, &code) {
		return keeperText(code, pathOf(err))
	}
	return err.Error()
}

// emptyPath says whether Apache's client gives the exception of the operation an
// empty path instead of none.
func emptyPath(err error) bool {
	var op *zk.OpError
	return errors.As(err, &op) && op.Op == "reconfig"
}

func pathOf(err error) string {
	var op *zk.OpError
	if errors.As(err, &op) {
		return op.Path
	}
	return ""
}
