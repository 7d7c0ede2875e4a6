package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"zooid/internal/loadgen"
)

// row is one line of the comparison.
type row struct {
	name  string
	title string
	group string // rows of a group share servers
	unit  unit
	want  want
	tail  bool // the row has a p99 and a p99.9

	// For rows of the group load: what loadgen is to do.
	workload string
	depth    int
}

// unit says how a figure reads, and which way is better.
type unit int

const (
	perSecond unit = iota // more is better; in all others less is
	spent                 // us
	size                  // bytes
	quotient
)

// want is the target of a row, for Zooid.
type want struct {
	text     string
	overJava float64 // at least (perSecond) or at most so many times Java; 0: no matter
	ofBare   float64 // at least this share of bare; 0: no matter
	atMost   float64 // an absolute bound; 0: no matter
}

// tailTarget bounds p99 as a share of Java's, in every row that has one.
const tailTarget = 1.0 / 3

// allRows are the rows of the table, in its order.
var allRows = []*row{
	{name: "reads16", title: "reads, 16 in flight", group: "load", tail: true, workload: loadgen.Read, depth: 16,
		want: want{text: "7 x, 60 % of bare", overJava: 7, ofBare: 0.6}},
	{name: "reads1", title: "reads, 1 in flight", group: "load", tail: true, workload: loadgen.Read, depth: 1,
		want: want{text: "90 % of bare", ofBare: 0.9}},
	{name: "set16", title: "set, 16 in flight", group: "load", tail: true, workload: loadgen.Write, depth: 16,
		want: want{text: "4 x", overJava: 4}},
	{name: "set1", title: "set, 1 in flight", group: "load", tail: true, workload: loadgen.Write, depth: 1,
		want: want{text: "2 x", overJava: 2}},
	{name: "mixed16", title: "90 % reads, 16 in flight", group: "load", tail: true, workload: loadgen.Mixed, depth: 16,
		want: want{text: "6 x", overJava: 6}},
	{name: "connect", title: "new sessions", group: "load", tail: true, workload: loadgen.Connect,
		want: want{text: "3 x", overJava: 3}},
	{name: "churn", title: "connect, create, close", group: "load", tail: true, workload: loadgen.Churn,
		want: want{text: "4 x", overJava: 4}},
	{name: "watch", title: "one change seen by all watching sessions", group: "load", unit: spent, tail: true, workload: loadgen.Watch,
		want: want{text: "1/3", overJava: 1.0 / 3}},
	{name: "start", title: "empty start until the first answer", group: "start", unit: spent,
		want: want{text: "below 50 ms", atMost: 50e3}},
	{name: "idle", title: "memory of an idle session", group: "idle", unit: size,
		want: want{text: "below 8 KB", atMost: 8 << 10}},
	{name: "memory", title: "resident memory with all znodes", group: "million", unit: size,
		want: want{text: "1/4", overJava: 1.0 / 4}},
	{name: "znode", title: "the same for each znode", group: "million", unit: size,
		want: want{text: "below 250 B", atMost: 250}},
	{name: "restart", title: "restart with all znodes until the first answer", group: "million", unit: spent,
		want: want{text: "1/8", overJava: 1.0 / 8}},
	{name: "calm", title: "p99 at half load, no snapshot", group: "million", unit: spent},
	{name: "snapshot", title: "p99 at half load, while a snapshot is written", group: "million", unit: spent},
	{name: "stall", title: "the latter over the former", group: "million", unit: quotient,
		want: want{text: "at most 2", atMost: 2}},

	{name: "e-set16", title: "set, 16 in flight", group: "e-load", tail: true, workload: loadgen.Write, depth: 16,
		want: want{text: "4 x", overJava: 4}},
	{name: "e-set1", title: "set, 1 in flight", group: "e-load", tail: true, workload: loadgen.Write, depth: 1,
		want: want{text: "3 x", overJava: 3}},
	{name: "e-reads16", title: "reads, 16 in flight", group: "e-load", tail: true, workload: loadgen.Read, depth: 16,
		want: want{text: "8 x", overJava: 8}},
	{name: "e-reads1", title: "reads, 1 in flight", group: "e-load", tail: true, workload: loadgen.Read, depth: 1,
		want: want{text: "2 x", overJava: 2}},
	{name: "e-mixed16", title: "90 % reads, 16 in flight", group: "e-load", tail: true, workload: loadgen.Mixed, depth: 16,
		want: want{text: "5 x", overJava: 5}},
	{name: "e-churn", title: "connect, create, close", group: "e-load", tail: true, workload: loadgen.Churn,
		want: want{text: "4 x", overJava: 4}},

	{name: "e-kill", title: "leader killed: no write for", group: "e-failover", unit: spent,
		want: want{text: "below 100 ms", atMost: 100e3}},
	{name: "e-kill-max", title: "the same, worst", group: "e-failover", unit: spent,
		want: want{text: "below 200 ms", atMost: 200e3}},
	{name: "e-kill-stayed", title: "the same, clients of survivors", group: "e-failover", unit: spent},
	{name: "e-kill-moved", title: "the same, clients of the leader", group: "e-failover", unit: spent},
	{name: "e-kill-before", title: "the same, before the leader ends", group: "e-failover", unit: spent},
	{name: "e-stop", title: "leader told to stop: no write for", group: "e-failover", unit: spent,
		want: want{text: "below 20 ms", atMost: 20e3}},
	{name: "e-stop-max", title: "the same, worst", group: "e-failover", unit: spent},
	{name: "e-stop-stayed", title: "the same, clients of survivors", group: "e-failover", unit: spent},
	{name: "e-stop-moved", title: "the same, clients of the leader", group: "e-failover", unit: spent},
	{name: "e-stop-before", title: "the same, before the leader ends", group: "e-failover", unit: spent},

	{name: "e-leader", title: "leader's memory with all znodes", group: "e-million", unit: size,
		want: want{text: "1/4", overJava: 1.0 / 4}},
	{name: "e-follower", title: "a follower's memory with all znodes", group: "e-million", unit: size,
		want: want{text: "1/4", overJava: 1.0 / 4}},
	{name: "e-big-kill", title: "leader killed, all znodes: no write for", group: "e-million", unit: spent,
		want: want{text: "below 100 ms", atMost: 100e3}},
	{name: "e-big-kill-max", title: "the same, worst", group: "e-million", unit: spent,
		want: want{text: "below 200 ms", atMost: 200e3}},
	{name: "e-big-kill-before", title: "the same, before the leader ends", group: "e-million", unit: spent},
	{name: "e-wiped", title: "wiped follower serves again, under load", group: "e-million", unit: spent,
		want: want{text: "1/5", overJava: 1.0 / 5}},
	{name: "e-wiped-calm", title: "p99 of writes without it", group: "e-million", unit: spent},
	{name: "e-wiped-p99", title: "p99 of writes while it is filled", group: "e-million", unit: spent},
	{name: "e-wiped-stall", title: "the latter over the former", group: "e-million", unit: quotient,
		want: want{text: "at most 2", atMost: 2}},

	{name: "e-cpu3", title: "leader's CPU for a write, 3 servers", group: "e-growth", unit: spent},
	{name: "e-cpu5", title: "5 servers", group: "e-growth", unit: spent},
	{name: "e-cpu7", title: "7 servers", group: "e-growth", unit: spent},
	{name: "e-cpu3o2", title: "3 servers and 2 observers", group: "e-growth", unit: spent},
	{name: "e-cpu3o4", title: "3 servers and 4 observers", group: "e-growth", unit: spent},
	{name: "e-bytes3", title: "leader's bytes for a write (log, links), 3 servers", group: "e-growth", unit: size},
	{name: "e-bytes5", title: "5 servers", group: "e-growth", unit: size},
	{name: "e-bytes7", title: "7 servers", group: "e-growth", unit: size},
	{name: "e-bytes3o2", title: "3 servers and 2 observers", group: "e-growth", unit: size},
	{name: "e-bytes3o4", title: "3 servers and 4 observers", group: "e-growth", unit: size},
}

// ensemble reports that the row is about three servers, or more.
func (r *row) ensemble() bool { return strings.HasPrefix(r.group, "e-") }

// together are rows of one measurement: who asks for one gets all.
var together = [][]string{
	{"memory", "znode"},
	{"calm", "snapshot", "stall"},
	{"e-kill", "e-kill-max", "e-kill-stayed", "e-kill-moved", "e-kill-before"},
	{"e-stop", "e-stop-max", "e-stop-stayed", "e-stop-moved", "e-stop-before"},
	{"e-leader", "e-follower"},
	{"e-big-kill", "e-big-kill-max", "e-big-kill-before"},
	{"e-wiped", "e-wiped-calm", "e-wiped-p99", "e-wiped-stall"},
	{"e-cpu3", "e-bytes3"},
	{"e-cpu5", "e-bytes5"},
	{"e-cpu7", "e-bytes7"},
	{"e-cpu3o2", "e-bytes3o2"},
	{"e-cpu3o4", "e-bytes3o4"},
}

// chooseRows reads the flag -rows: names and groups.
func chooseRows(list string) ([]*row, error) {
	chosen := map[string]bool{}
	for _, name := range strings.Split(list, ",") {
		found := false
		for _, r := range allRows {
			scope := "standalone"
			if r.ensemble() {
				scope = "ensemble"
			}
			if slices.Contains([]string{"all", scope, r.group, r.name}, name) {
				chosen[r.name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("-rows: there is no row %q; see -list", name)
		}
	}
	for _, names := range together {
		if slices.ContainsFunc(names, func(n string) bool { return chosen[n] }) {
			for _, n := range names {
				chosen[n] = true
			}
		}
	}
	var rows []*row
	for _, r := range allRows {
		if chosen[r.name] {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func listRows(w io.Writer) {
	fmt.Fprintf(w, "%-15s %-11s %-50s %s\n", "row", "group", "", "target")
	for _, r := range allRows {
		fmt.Fprintf(w, "%-15s %-11s %-50s %s\n", r.name, r.group, r.title, r.want.text)
	}
}
