package inspect

import (
	"encoding/base64"
	"fmt"
	"path"
	"strconv"
	"strings"

	"zooid/internal/storage"
)

const snapshotUsage = `USAGE: SnapshotFormatter [-d|-json] snapshot_file
       -d dump the data for each znode
       -json dump znode info in json format`

// Snapshot prints a snapshot (SnapshotFormatter).
func Snapshot(env *Env, args []string) int {
	var data, json bool
	for len(args) > 0 && (args[0] == "-d" || args[0] == "-json") {
		data, json = data || args[0] == "-d", json || args[0] == "-json"
		args = args[1:]
	}
	if len(args) != 1 {
		env.complain("%s", snapshotUsage)
		return exitInvocation
	}
	if err := checkInput(env, args[0]); err != nil {
		env.complain("%v", err)
		return exitInvocation
	}
	if data && json {
		env.complain("Cannot specify both data dump (-d) and json mode (-json) in same call")
		return exitInvocation
	}
	t, err := loadTree(env, args[0], data)
	if err != nil {
		return env.fail(err)
	}
	p := &printer{env: env, out: env.output(), tree: t, data: data}
	if json {
		p.json()
	} else {
		p.text(args[0])
	}
	return env.end(p.out, nil)
}

type printer struct {
	env  *Env
	out  output
	tree *tree
	data bool
	ino  int // of the last node in JSON
}

func (p *printer) text(name string) {
	// Java keeps the root under two names and counts it twice.
	p.out.printf("ZNode Details (count=%d):\n", len(p.tree.nodes)+1)
	last := p.node(p.tree.find("/"))
	p.out.line("----")
	p.out.line("Session Details (sid, timeout, ephemeralCount):")
	const capacity = 16
	for _, s := range hashOrder(p.tree.sessions, capacity, func(s session) int32 { return hashLong(s.id) }) {
		p.out.printf("%s, %d, %d\n", wideHex(s.id), s.timeout, p.tree.ephemerals[s.id])
	}
	zxid, ok := storage.SnapshotZxid(path.Base(name))
	if !ok {
		zxid = -1
	}
	p.out.printf("----\nLast zxid: %s\n", hex(max(zxid, last)))
}

// wideHex is the format %#016x of Java.
func wideHex(n int64) string { return fmt.Sprintf("0x%014x", uint64(n)) }

// node prints a node and all below it, and returns the highest zxid there.
func (p *printer) node(n *node) int64 {
	p.out.line("----")
	name := n.path
	if name == "" {
		name = "/"
	}
	p.out.line(name)
	st := &n.stat
	p.field("cZxid", wideHex(st.Czxid))
	p.field("ctime", p.env.date(st.Ctime, dateOfStat))
	p.field("mZxid", wideHex(st.Mzxid))
	p.field("mtime", p.env.date(st.Mtime, dateOfStat))
	p.field("pZxid", wideHex(st.Pzxid))
	p.field("cversion", decimal(int64(st.Cversion)))
	p.field("dataVersion", decimal(int64(st.Version)))
	p.field("aclVersion", decimal(int64(st.Aversion)))
	p.field("ephemeralOwner", wideHex(st.EphemeralOwner))
	if p.data {
		p.field("data", base64.StdEncoding.EncodeToString(n.data))
	} else {
		p.field("dataLength", strconv.Itoa(n.size))
	}
	last := max(st.Mzxid, st.Pzxid)
	for _, c := range n.ordered() {
		last = max(last, p.node(c))
	}
	return last
}

func (p *printer) field(name, value string) {
	p.out.WriteString("  ")
	p.out.WriteString(name)
	p.out.WriteString(" = ")
	p.out.line(value)
}

// json prints the tree in the format of ncdu, a program that shows how big
// the parts of a directory tree are.
func (p *printer) json() {
	p.out.printf(`[1,0,{"progname":"SnapshotFormatter.java","progver":"0.01","timestamp":%d}`, p.env.Now().UnixMilli())
	p.ino = 1000
	p.jsonNode(p.tree.find("/"))
	p.out.WriteString("]")
}

var jsonEscapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

func (p *printer) jsonNode(n *node) {
	name := n.name()
	if name == "" {
		name = "/"
	}
	p.ino++
	begin := ","
	if len(n.children) > 0 {
		begin = ",["
	}
	p.out.printf(`%s{"name":"%s","asize":%d,"dsize":%d,"dev":0,"ino":%d}`, begin, jsonEscapes.Replace(name), n.size, n.size, p.ino)
	for _, c := range n.ordered() {
		p.jsonNode(c)
	}
	if len(n.children) > 0 {
		p.out.WriteString("]")
	}
}
