package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const compareUsage = `usage: java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer
 -b,--bytes <BYTETHRESHOLD>   (Required) The node data delta size threshold, in bytes, for printing the node.
 -d,--debug                   Use debug output.
 -i,--interactive             Enter interactive mode.
 -l,--left <LEFT>             (Required) The left snapshot file.
 -n,--nodes <NODETHRESHOLD>   (Required) The descendant node delta size threshold, in nodes, for printing the node.
 -r,--right <RIGHT>           (Required) The right snapshot file.
`

var compareOptions = []option{
	{short: "l", long: "left", arg: true, required: true},
	{short: "r", long: "right", arg: true, required: true},
	{short: "b", long: "bytes", arg: true, required: true},
	{short: "n", long: "nodes", arg: true, required: true},
	{short: "d", long: "debug"}, {short: "i", long: "interactive"},
}

// Compare prints the differences between two snapshots that are larger than
// given thresholds, depth by depth (SnapshotComparer).
func Compare(env *Env, args []string) int {
	cli, err := commandLine(compareOptions, args)
	if err != nil {
		env.complain("%v", err)
		io.WriteString(env.Out, compareUsage)
		return exitInvocation
	}
	c := &comparison{env: env, out: env.output(), debug: cli.has("d"), interactive: cli.has("i"), in: bufio.NewScanner(env.In)}
	for option, target := range map[string]*int{"b": &c.bytes, "n": &c.nodes} {
		if *target, err = strconv.Atoi(cli.options[option]); err != nil {
			return env.fail(fmt.Errorf("-%s %s: not a whole number", option, cli.options[option]))
		}
	}
	c.out.line("Successfully parsed options!")
	if c.left, err = c.load(cli.options["l"]); err == nil {
		c.right, err = c.load(cli.options["r"])
	}
	if err == nil {
		c.out.line(c.left.String())
		c.out.line(c.right.String())
		err = c.run()
	}
	return env.end(c.out, err)
}

type comparison struct {
	env                *Env
	out                output
	in                 *bufio.Scanner
	left, right        *layers
	bytes, nodes       int // thresholds
	debug, interactive bool
}

// branch is a node with what is below it.
type branch struct {
	path        string
	children    []*branch
	size, count int // of the data in the subtree; of the descendants
}

// layers is a tree by depth.
type layers struct {
	root   *branch
	count  int
	depths [][]*branch
	byPath map[string]*branch
}

func (c *comparison) load(name string) (*layers, error) {
	begin := c.env.Now()
	t, err := loadTree(c.env, name, false)
	if err != nil {
		return nil, err
	}
	loaded := c.env.Now()
	c.out.printf("Deserialized snapshot in %s in %f seconds\n", path.Base(name), seconds(loaded.Sub(begin)))
	l := &layers{byPath: map[string]*branch{}}
	l.root = l.add(t.find("/"), 0)
	for _, depth := range l.depths {
		sortBranches(depth)
	}
	c.out.printf("Processed data tree in %f seconds\n", seconds(c.env.Now().Sub(loaded)))
	return l, nil
}

func seconds(d time.Duration) float64 { return d.Seconds() }

func (l *layers) add(n *node, depth int) *branch {
	b := &branch{path: n.path, size: n.size, count: len(n.children)}
	if depth == len(l.depths) {
		l.depths = append(l.depths, nil)
	}
	l.depths[depth] = append(l.depths[depth], b)
	l.byPath[b.path] = b
	l.count++
	for _, child := range n.children {
		k := l.add(child, depth+1)
		b.children = append(b.children, k)
		b.size, b.count = b.size+k.size, b.count+k.count
	}
	return b
}

func sortBranches(b []*branch) {
	slices.SortFunc(b, func(x, y *branch) int { return strings.Compare(x.path, y.path) })
}

// String describes the tree.
func (l *layers) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Node count: %d\nTotal size: %d\nMax depth: %d\n", l.count, l.root.size, len(l.depths))
	for i, depth := range l.depths {
		fmt.Fprintf(&s, "Count of nodes at depth %d: %d\n", i, len(depth))
	}
	return s.String()
}

// at returns the nodes of one depth.
func (l *layers) at(depth int) []*branch {
	if depth >= len(l.depths) {
		return nil
	}
	return l.depths[depth]
}

const comparePrompt = `- Press enter to move to print current depth layer;
- Type a number to jump to and print all nodes at a given depth;
- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'.
`

func (c *comparison) run() error {
	deepest := max(len(c.left.depths), len(c.right.depths))
	if !c.interactive {
		c.announce()
		for depth := range deepest {
			c.depth(depth)
		}
	}
	for depth := 0; c.interactive && depth < deepest; {
		c.out.printf("Current depth is %d\n%s", depth, comparePrompt)
		c.out.show()
		if !c.in.Scan() {
			return errors.New("no line found: the input has ended")
		}
		c.announce()
		depth = c.command(c.in.Text(), depth, deepest)
	}
	c.out.line("All layers compared.")
	return nil
}

func (c *comparison) announce() {
	c.out.printf("Printing analysis for nodes difference larger than %d bytes or node count difference larger than %d.\n", c.bytes, c.nodes)
}

// command carries out what a person typed and returns the depth to go on at.
func (c *comparison) command(input string, depth, deepest int) int {
	n, err := strconv.Atoi(input)
	switch {
	case input == "":
		c.depth(depth)
		depth++
	case err == nil && (n < 0 || n >= deepest):
		c.out.printf("Depth must be in range [0, %d]\n", deepest-1)
		return depth
	case err == nil:
		depth = n
		c.depth(depth)
	case strings.HasPrefix(input, "/"):
		c.subtree(input)
	default:
		c.out.printf("Input %s is not valid. Depth must be in range [0, %d]. Path must be an absolute path which starts with '/'.\n", input, deepest-1)
	}
	c.out.line("")
	return depth
}

func (c *comparison) depth(depth int) {
	c.out.printf("Analysis for depth %d\n", depth)
	c.compare(c.left.at(depth), c.right.at(depth))
}

// subtree compares the children of one node.
func (c *comparison) subtree(path string) {
	c.out.printf("Analysis for node %s\n", path)
	left, right := c.left.byPath[path], c.right.byPath[path]
	if left == nil && right == nil {
		c.out.printf("Path %s is neither found in left tree nor right tree.\n", path)
		return
	}
	var lists [2][]*branch
	for i, b := range []*branch{left, right} {
		if b != nil {
			lists[i] = slices.Clone(b.children)
			sortBranches(lists[i])
		}
	}
	c.compare(lists[0], lists[1])
}

// compare walks two sorted lists side by side.
func (c *comparison) compare(left, right []*branch) {
	for len(left) > 0 || len(right) > 0 {
		order := 0
		switch {
		case len(left) == 0:
			order = 1
		case len(right) == 0:
			order = -1
		default:
			order = strings.Compare(left[0].path, right[0].path)
			c.explain(left[0], right[0], order)
		}
		switch {
		case order < 0:
			c.single(left[0], "left")
			left = left[1:]
		case order > 0:
			c.single(right[0], "right")
			right = right[1:]
		default:
			c.pair(left[0], right[0])
			left, right = left[1:], right[1:]
		}
	}
}

func (c *comparison) explain(left, right *branch, order int) {
	if !c.debug {
		return
	}
	c.out.printf("Comparing %s to %s\n", left.path, right.path)
	c.out.line([]string{"left is less", "same", "right is less"}[order+1])
}

// single prints a node that only one side has.
func (c *comparison) single(b *branch, side string) {
	if b.size > c.bytes || b.count > c.nodes {
		c.out.printf("Node %s found only in %s tree. Descendant size: %d. Descendant count: %d\n", b.path, side, b.size, b.count)
	} else if c.debug || c.interactive {
		c.out.printf("Filtered %s node %s of size %d\n", side, b.path, b.size)
	}
}

// pair prints a node that both sides have.
func (c *comparison) pair(left, right *branch) {
	size, count := right.size-left.size, right.count-left.count
	if max(size, -size) > c.bytes || max(count, -count) > c.nodes {
		c.out.printf("Node %s found in both trees. Delta: %d bytes, %d descendants\n", left.path, size, count)
	} else if c.debug || c.interactive {
		c.out.printf("Filtered node %s of left size %d, right size %d\n", left.path, left.size, right.size)
	}
}
