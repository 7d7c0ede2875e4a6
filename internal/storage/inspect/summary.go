package inspect

import (
	"fmt"
	"strconv"
	"strings"
)

const summaryUsage = `USAGE:


SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>


snapshot_file:    path to the zookeeper snapshot
starting_node:    the path in the zookeeper tree where the traversal should begin
max_depth:        defines the depth where the tool still writes to the output. 0 means there is no depth limit, every non-leaf node's stats will be displayed, 1 means it will only contain the starting node's and it's children's stats, 2 ads another level and so on. This ONLY affects the level of details displayed, NOT the calculation.`

// Summary prints how many nodes and bytes are below each node
// (SnapshotRecursiveSummary).
func Summary(env *Env, args []string) int {
	depth, err := 0, error(nil)
	if len(args) == 3 {
		depth, err = strconv.Atoi(args[2])
	}
	if len(args) != 3 || err != nil {
		env.complain("%s", summaryUsage)
		return exitInvocation
	}
	t, err := loadTree(env, args[0], false)
	if err != nil {
		return env.fail(err)
	}
	start := t.find(args[1])
	if start == nil {
		return env.fail(fmt.Errorf("there is no node %s in %s", args[1], args[0]))
	}
	out := env.output()
	s := &summary{max: depth}
	s.node(&s.text, start, args[1], 0)
	out.line(s.text.String())
	return env.end(out, nil)
}

type summary struct {
	text strings.Builder
	max  int // depth that is shown; 0 for all
}

// node writes about a node that has children, and returns the number of nodes
// and bytes in its subtree.
func (s *summary) node(out *strings.Builder, n *node, name string, level int) (nodes, bytes int) {
	nodes, bytes = 1, n.size
	var below strings.Builder
	for _, c := range n.ordered() {
		child := name + "/" + c.name()
		if name == "/" {
			child = name + c.name()
		}
		k, b := s.node(&below, c, child, level+1)
		nodes, bytes = nodes+k, bytes+b
	}
	if len(n.children) > 0 && (s.max == 0 || level <= s.max) {
		tab := strings.Repeat("--", level)
		fmt.Fprintf(out, "%s %s\n%s   children: %d\n%s   data: %d\n", tab, name, tab, nodes-1, tab, bytes)
		out.WriteString(below.String())
	}
	return nodes, bytes
}
