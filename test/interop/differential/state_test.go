package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
)

// settle is how long two servers may take to notice dropped sockets.
const settle = 3 * time.Second

// comparedMetrics are the lines of mntr that a script determines. The
// approximate data size is not among them: Apache's server forgets to count
// the quota texts that it rewrites itself.
var comparedMetrics = []string{
	"zk_znode_count", "zk_watch_count", "zk_ephemerals_count",
	"zk_global_sessions", "zk_num_alive_connections", "zk_server_state",
}

// compareState compares what two servers hold after a script: the whole tree,
// the watch tables, the ephemerals by session, and some metrics.
func compareState(t *testing.T, java, ours *harness.Server, a, b *script.Player) string {
	t.Helper()
	nameB := string(ours.Kind())
	var diff string
	for _, word := range []string{"wchp", "wchc", "ephemerals"} {
		// A socket that a script dropped takes its watches along as soon as
		// the server has noticed, so the tables may need a moment.
		var la, lb []string
		harness.Within(settle, nil, func() bool {
			la, lb = watchLines(java, a, word), watchLines(ours, b, word)
			return slices.Equal(la, lb)
		})
		if d := script.DiffLines(la, lb, "java", nameB); d != "" {
			diff += word + ":\n" + d
		}
	}
	for _, key := range comparedMetrics {
		var va, vb string
		same := harness.Within(settle, nil, func() bool {
			va, vb = java.Metric(key), ours.Metric(key)
			return va == vb
		})
		if !same {
			diff += fmt.Sprintf("mntr %s: java %s, %s %s\n", key, va, nameB, vb)
		}
	}
	if d := compareTrees(java, ours, a, b); d != "" {
		diff += "tree:\n" + d
	}
	if za, zb := java.Zxid(), ours.Zxid(); za != zb {
		diff += fmt.Sprintf("last zxid: java %s, %s %s\n", za, nameB, zb)
	}
	return diff
}

func compareTrees(java, ours *harness.Server, a, b *script.Player) string {
	ta, err := script.Dump(java.Addr(), a.Mask())
	if err != nil {
		return "  java: " + err.Error() + "\n"
	}
	tb, err := script.Dump(ours.Addr(), b.Mask())
	if err != nil {
		return "  " + string(ours.Kind()) + ": " + err.Error() + "\n"
	}
	for _, tree := range [][]string{ta, tb} {
		for i := range tree {
			tree[i] = script.AnyACLOrder(tree[i])
		}
	}
	return script.DiffLines(ta, tb, "java", string(ours.Kind()))
}

var sessionID = regexp.MustCompile(`0x[0-9a-f]+`)

// watchLines turns the output of wchp, wchc or dump's ephemerals into a sorted
// list of "head child" lines with masked session ids.
func watchLines(s *harness.Server, p *script.Player, word string) []string {
	var text string
	if word == "ephemerals" {
		_, text, _ = strings.Cut(s.FourLetter("dump"), "ephemeral nodes dump:\n")
		text, _, _ = strings.Cut(text, "Connections dump:")
	} else {
		text = s.FourLetter(word)
	}
	label := p.Mask().Session
	var lines []string
	head := ""
	for _, line := range strings.Split(text, "\n") {
		line = sessionID.ReplaceAllStringFunc(line, func(m string) string {
			id, err := strconv.ParseUint(m[2:], 16, 64)
			if err != nil {
				return m
			}
			return label(int64(id))
		})
		if rest, ok := strings.CutPrefix(line, "\t"); ok {
			if isText(head) && isText(rest) {
				lines = append(lines, fmt.Sprintf("%q %q", head, rest))
			}
			continue
		}
		head = strings.TrimSuffix(line, ":")
		// Apache's server goes on listing sessions whose watches or ephemerals
		// are gone, so a head alone says nothing.
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// isText tells the paths that each server shows in the same way.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError)
}
